//! The tenant's own certificate authority and the certificate of its server.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::error::SimError;

/// The certificate authority.
pub struct Authority {
    /// Its certificate, for clients.
    pub pem: String,
    key_pem: String,
}

impl Authority {
    /// The authority in `folder`, made there on first use; without a folder a passing one.
    pub fn open(folder: Option<&Path>) -> Result<Self, SimError> {
        let Some(folder) = folder else { return Self::make() };
        let paths = (folder.join("ca.pem"), folder.join("ca.key.pem"));
        let read = |path: &Path| std::fs::read_to_string(path);
        if let (Ok(pem), Ok(key_pem)) = (read(&paths.0), read(&paths.1)) {
            return Ok(Self { pem, key_pem });
        }
        let authority = Self::make()?;
        for (path, text) in [(&paths.1, &authority.key_pem), (&paths.0, &authority.pem)] {
            std::fs::write(path, text)
                .map_err(|source| SimError::State { path: path.clone(), source })?;
        }
        Ok(authority)
    }

    fn make() -> Result<Self, SimError> {
        let key = KeyPair::generate()?;
        let pem = Self::params()?.self_signed(&key)?.pem();
        Ok(Self { pem, key_pem: key.serialize_pem() })
    }

    /// What stands in the authority's certificate, besides its key.
    fn params() -> Result<CertificateParams, SimError> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.distinguished_name.push(DnType::CommonName, "Simulated tenant authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        Ok(params)
    }

    /// The set-up of a server that answers to these names and addresses.
    pub fn server(&self, names: &[String], addresses: &[IpAddr]) -> Result<ServerConfig, SimError> {
        let issuer = Issuer::new(Self::params()?, KeyPair::from_pem(&self.key_pem)?);
        let mut all = names.to_vec();
        all.extend(addresses.iter().map(ToString::to_string));
        let mut params = CertificateParams::new(all)?;
        params.distinguished_name.push(DnType::CommonName, "Simulated tenant");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}
