//! What only a server with roles and many clients can break.

mod once;
mod order;
mod plans;
mod roles;
mod trouble;
