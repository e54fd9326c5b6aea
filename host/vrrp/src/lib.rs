//! What VRRP needs of the operating system: adverts and announcements on the wire, addresses on interfaces, scripts, files and
//! processes that are watched, scripts that are told. What is decided is decided in [`evenkeel_core::vrrp`].
