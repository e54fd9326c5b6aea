//! Whole configurations.

mod article;
mod duplicates;
mod every_keyword;
mod fixture;
mod forward;
mod local;
mod page;
mod robust;
mod services;
mod spread;
mod text;
mod vrrp;
