//! Values that cannot work: Helm refuses them with the name of the key, or a pod says what is wrong.

mod pods;
mod refused;
mod trial;
