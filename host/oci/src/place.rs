//! Where in a registry.

use std::fmt;
use std::str::FromStr;

use oci_client::Reference;

use crate::RegistryError;

/// What every place begins with.
const SCHEME: &str = "oci://";

/// `oci://REGISTRY/REPOSITORY:TAG`, or with `@sha256:...` in the place of the tag, or behind it.
#[derive(Debug, Clone)]
pub struct Place {
    pub(crate) reference: Reference,
}

impl Place {
    /// The registry: a host, and its port if it has one.
    #[must_use]
    pub fn registry(&self) -> &str {
        self.reference.registry()
    }

    /// Whether the registry is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        let host = self.registry();
        let host = match host.strip_prefix('[') {
            Some(rest) => rest.split(']').next(),
            None => host.split(':').next(),
        };
        let host = host.unwrap_or_default();
        let address = host.parse::<std::net::IpAddr>();
        host == "localhost" || address.is_ok_and(|it| it.is_loopback())
    }

    /// The same place, but what has this digest there.
    #[must_use]
    pub fn at(&self, digest: &str) -> String {
        let (registry, repository) = (self.registry(), self.reference.repository());
        format!("{SCHEME}{registry}/{repository}@{digest}")
    }
}

impl FromStr for Place {
    type Err = RegistryError;

    fn from_str(place: &str) -> Result<Self, RegistryError> {
        let wrong = |reason: &str| RegistryError::Place {
            place: place.to_owned(),
            reason: reason.to_owned(),
        };
        let rest = place
            .strip_prefix(SCHEME)
            .ok_or_else(|| wrong("does not begin with oci://"))?;
        // Without one, a public registry would be meant: where a plugin comes from has to be said.
        let (registry, _) = rest
            .split_once('/')
            .ok_or_else(|| wrong("has no repository"))?;
        if !(registry.contains(['.', ':']) || registry == "localhost") {
            return Err(wrong(
                "names no registry: that is a host, with a dot or a port in its name",
            ));
        }
        let reference = Reference::from_str(rest).map_err(|error| wrong(&error.to_string()))?;
        let last = rest.rsplit('/').next().unwrap_or_default();
        if !last.contains([':', '@']) {
            return Err(wrong("has no tag"));
        }
        Ok(Self { reference })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.reference.whole())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_a_registry_and_a_tag_or_a_digest() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (place, local) in [
            ("oci://localhost:5000/calm:0.1.0", true),
            ("oci://127.0.0.1:5000/plugins/calm:0.1.0", true),
            ("oci://localhost/calm:0.1.0", true),
            ("oci://registry.example.com/a/b/calm:latest", false),
        ] {
            let parsed: Place = place.parse().unwrap();
            assert_eq!(parsed.to_string(), place);
            assert_eq!(parsed.is_local(), local, "{place}");
        }
        let pinned: Place = format!("oci://r.example/calm@{digest}").parse().unwrap();
        assert_eq!(pinned.reference.digest(), Some(&*digest));
        assert_eq!(pinned.at(&digest), pinned.to_string());
    }

    #[test]
    fn what_is_none_says_what_is_wrong() {
        for (place, wanted) in [
            ("localhost:5000/calm:1", "does not begin with oci://"),
            ("oci://calm:1", "has no repository"),
            ("oci://plugins/calm:1", "names no registry"),
            ("oci://localhost:5000/calm", "has no tag"),
            ("oci://localhost:5000/CALM:1", "oci://REGISTRY"),
            ("oci://localhost:5000/calm:\u{1b}[2J", "oci://REGISTRY"),
            ("oci://", "has no repository"),
            ("oci:///:", "names no registry"),
        ] {
            let error = place.parse::<Place>().unwrap_err().to_string();
            assert!(error.contains(wanted), "{place}: {error}");
        }
    }
}
