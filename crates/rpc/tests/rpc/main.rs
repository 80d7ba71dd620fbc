//! The shell around a real server and a real client on loopback; the service is a double that does as it is told.

// `cfg(test)`, though true of the whole file, tells clippy that helpers may unwrap.
#[cfg(test)]
mod abuse;
#[cfg(test)]
mod auth;
#[cfg(test)]
mod connections;
#[cfg(test)]
mod drain;
#[cfg(test)]
mod health;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod published;
#[cfg(test)]
mod rotation;
#[cfg(test)]
mod service_token;
#[cfg(test)]
mod shell;
#[cfg(test)]
mod support;
#[cfg(test)]
mod telling;
#[cfg(test)]
mod tls;
