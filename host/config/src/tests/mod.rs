//! The configuration from outside: text in, model or report out.

mod dataplane;
mod errors;
mod fixture;
mod grants;
mod model;
mod plugins;
mod reference;
mod robust;
mod second;
mod secrets;
mod spread;
mod trust;
mod typed;
mod vrrp;
mod vrrp_errors;
