# The menu: each recipe is a door to `cargo xtask` or cargo, which do the work.

# Lists the recipes
_list:
    @{{ just_executable() }} --list --unsorted

# Runs Docket with a real sidecar until Ctrl-C (--reset forgets the data)
dev *ARGS:
    cargo xtask dev {{ ARGS }}

# Runs all tests: the unit ring, then the default ring
test *ARGS:
    cargo xtask test {{ ARGS }}

# Runs the unit ring alone: needs nothing but Rust
unit *ARGS:
    cargo xtask test --unit {{ ARGS }}

# Measures Docket against pgbench (--quick to try, --write to keep the figures)
bench *ARGS:
    cargo xtask bench {{ ARGS }}

# Breaks everything around Docket while clients work (--seed, --minutes, --fault)
chaos *ARGS:
    cargo xtask chaos {{ ARGS }}

# Feeds random input to what reads input, ten minutes each (a target, --seconds)
fuzz *ARGS:
    cargo xtask fuzz {{ ARGS }}

# Checks layout, format, lints, contract, alert rules and dependencies
check:
    cargo xtask check

# Finds or builds daprd, scheduler, grpcurl, buf, promtool, cargo-deny, cargo-fuzz, kafka; finds or installs postgres
tools *ARGS:
    cargo xtask tools {{ ARGS }}

# Formats the code
fmt:
    cargo fmt --all
