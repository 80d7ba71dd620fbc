//! Java, for the programs that it runs.

use std::path::{Path, PathBuf};

use crate::tool;

/// What a small virtual machine starts fastest with.
const FLAGS: [&str; 5] = [
    "-Xmx256m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-XX:+ExitOnOutOfMemoryError",
];

/// The Java that `JAVA_HOME` names, else that of the search path.
pub(crate) fn java() -> PathBuf {
    let home = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty());
    home.map_or_else(|| PathBuf::from("java"), |home| Path::new(&home).join("bin").join("java"))
}

/// What a class is run with: these properties, and the jars of the folder that `variable` names.
pub(crate) fn arguments(variable: &str, properties: &[(&str, String)], class: &str) -> Vec<String> {
    let jars = tool(variable).join("*").display().to_string();
    let flags = FLAGS.into_iter().map(str::to_owned);
    let properties = properties.iter().map(|(name, value)| format!("-D{name}={value}"));
    flags.chain(properties).chain(["-cp".to_owned(), jars, class.to_owned()]).collect()
}
