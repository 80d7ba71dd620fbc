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

# Brings up a whole platform on Kubernetes: in kind, or CLUSTER=existing (deploy/README.md has the settings)
up *SETTINGS:
    cargo xtask up {{ SETTINGS }}

# Tries it: create, complete, next occurrence, audit, reminder, trace
smoke *SETTINGS:
    cargo xtask smoke {{ SETTINGS }}

# Says what this machine lacks for `up`, and how to get it
doctor *SETTINGS:
    cargo xtask doctor {{ SETTINGS }}

# Says how it is: pods, outboxes, how far handlers are behind, topics
status *SETTINGS:
    cargo xtask status {{ SETTINGS }}

# Follows the log of a target, or of jaeger, kafka, postgres (--sidecar, --no-follow)
logs TARGET *ARGS:
    cargo xtask logs {{ TARGET }} {{ ARGS }}

# Opens a shell on the database, or runs one statement
[positional-arguments]
psql *ARGS:
    cargo xtask psql "$@"

# Says how the topics differ from what they should be
topics *SETTINGS:
    cargo xtask topics {{ SETTINGS }}

# Brings Jaeger's pages to this machine, at one trace if it is named
trace *ARGS:
    cargo xtask trace {{ ARGS }}

# Leads the ports of the API into the cluster, where kind does not
forward *SETTINGS:
    cargo xtask forward {{ SETTINGS }}

# Removes all that `up` has made
down *SETTINGS:
    cargo xtask down {{ SETTINGS }}

# Builds Docket's container image; --archive FOLDER without an engine
image *ARGS:
    cargo xtask image {{ ARGS }}

# Checks layout, format, lints, contract, dependencies, alert rules, chart and compose file
check:
    cargo xtask check

# Finds or builds daprd, scheduler, grpcurl, buf, promtool, cargo-deny, cargo-fuzz, kafka; finds or installs postgres
tools *ARGS:
    cargo xtask tools {{ ARGS }}

# Formats the code
fmt:
    cargo fmt --all
