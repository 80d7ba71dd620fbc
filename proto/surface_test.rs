//! The contract as a reviewer reads it: a change of it shows as a change of the snapshot.

use std::fmt::Write as _;

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorSet, ServiceDescriptorProto,
};

#[test]
fn surface() {
    let descriptors = FileDescriptorSet::decode(crate::FILE_DESCRIPTOR_SET).unwrap();
    let mut text = String::new();
    for file in descriptors.file.iter().filter(|file| file.package().starts_with("docket.")) {
        writeln!(text, "# {}\n", file.name()).unwrap();
        let package = file.package();
        file.service.iter().for_each(|service| render_service(&mut text, package, service));
        file.message_type.iter().for_each(|message| render_message(&mut text, package, message));
        file.enum_type.iter().for_each(|enumeration| render_enum(&mut text, package, enumeration));
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(text);
    });
}

fn render_service(text: &mut String, scope: &str, service: &ServiceDescriptorProto) {
    writeln!(text, "service {scope}.{}", service.name()).unwrap();
    for method in &service.method {
        let stream = |streams: bool| if streams { "stream " } else { "" };
        let (input, output) = (short(method.input_type()), short(method.output_type()));
        let (sends, answers) = (stream(method.client_streaming()), stream(method.server_streaming()));
        writeln!(text, "  {}({sends}{input}) -> {answers}{output}", method.name()).unwrap();
    }
    text.push('\n');
}

fn render_message(text: &mut String, scope: &str, message: &DescriptorProto) {
    let name = format!("{scope}.{}", message.name());
    writeln!(text, "message {name}").unwrap();
    for field in &message.field {
        render_field(text, message, field);
    }
    for range in &message.reserved_range {
        // The end is not part of the range.
        writeln!(text, "  reserved {}..{}", range.start(), range.end()).unwrap();
    }
    for name in &message.reserved_name {
        writeln!(text, "  reserved {name}").unwrap();
    }
    text.push('\n');
    message.nested_type.iter().for_each(|nested| render_message(text, &name, nested));
    message.enum_type.iter().for_each(|nested| render_enum(text, &name, nested));
}

fn render_field(text: &mut String, message: &DescriptorProto, field: &FieldDescriptorProto) {
    let kind = match field.r#type() {
        Type::Message | Type::Enum => short(field.type_name()).to_owned(),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    };
    let label = match field.label() {
        Label::Repeated => "repeated ",
        _ if field.proto3_optional() => "optional ",
        _ => "",
    };
    write!(text, "  {:>2} {label}{kind} {}", field.number(), field.name()).unwrap();
    // An `optional` field has a oneof of its own, which nobody wrote.
    if let Some(index) = field.oneof_index.filter(|_| !field.proto3_optional()) {
        write!(text, " (oneof {})", message.oneof_decl[index as usize].name()).unwrap();
    }
    if field.options.as_ref().is_some_and(|options| options.deprecated()) {
        text.push_str(" (deprecated)");
    }
    text.push('\n');
}

fn render_enum(text: &mut String, scope: &str, enumeration: &EnumDescriptorProto) {
    writeln!(text, "enum {scope}.{}", enumeration.name()).unwrap();
    for value in &enumeration.value {
        writeln!(text, "  {:>2} {}", value.number(), value.name()).unwrap();
    }
    for range in &enumeration.reserved_range {
        // Unlike a message's, the range of an enum includes its end.
        writeln!(text, "  reserved {}..={}", range.start(), range.end()).unwrap();
    }
    text.push('\n');
}

fn short(type_name: &str) -> &str {
    type_name.trim_start_matches('.')
}
