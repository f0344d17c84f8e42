//! One scenario a module.
