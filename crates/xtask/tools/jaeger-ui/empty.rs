//! Nothing: the package is here for what it pins.
