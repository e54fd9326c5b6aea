//! As whom a registry is spoken to.

use docker_credential::{CredentialRetrievalError, DockerCredential};
use oci_client::secrets::RegistryAuth;

use crate::{Place, RegistryError};

/// How a registry is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// As whom.
    pub credentials: Credentials,
    /// HTTP without TLS.
    pub plain_http: bool,
}

/// As whom.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// What `docker login` has left for the registry; nobody, if there is nothing.
    Found,
    /// This user.
    Given {
        /// Its name.
        user: String,
        /// Its password or token.
        password: String,
    },
}

/// A password is told to nobody.
impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Found => f.write_str("Found"),
            Self::Given { user, .. } => f.debug_struct("Given").field("user", user).finish(),
        }
    }
}

impl Access {
    pub(crate) fn auth(&self, place: &Place) -> Result<RegistryAuth, RegistryError> {
        let auth = match &self.credentials {
            Credentials::Given { user, password } => {
                RegistryAuth::Basic(user.clone(), password.clone())
            }
            Credentials::Found => found(place.registry())?,
        };
        if self.plain_http && auth != RegistryAuth::Anonymous && !place.is_local() {
            return Err(RegistryError::Credentials(format!(
                "{place}: a password is not sent without TLS to another machine: leave --plain-http out, or `docker \
                 logout` first"
            )));
        }
        Ok(auth)
    }
}

/// What is in docker's configuration.
fn found(registry: &str) -> Result<RegistryAuth, RegistryError> {
    match docker_credential::get_credential(registry) {
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(RegistryAuth::Basic(user, password))
        }
        Ok(DockerCredential::IdentityToken(_)) => Err(RegistryError::Credentials(format!(
            "docker's configuration has an identity token for {registry}, which is not supported: give --username and \
             --password-file"
        ))),
        // There is no such file, or it does not know the registry.
        Err(
            CredentialRetrievalError::NoCredentialConfigured
            | CredentialRetrievalError::ConfigNotFound
            | CredentialRetrievalError::ConfigReadError,
        ) => Ok(RegistryAuth::Anonymous),
        Err(error) => Err(RegistryError::Credentials(format!(
            "the password for {registry} cannot be had from docker's configuration: {error}"
        ))),
    }
}
