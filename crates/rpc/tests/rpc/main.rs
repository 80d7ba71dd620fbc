//! The shell around a real server and a real client on loopback; the service is a double that does as it is told.

// `cfg(test)`, though true of the whole file, tells clippy that helpers may unwrap.
#[cfg(test)]
mod auth;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod shell;
#[cfg(test)]
mod support;
