//! HTTPS: rustls with graviola's cryptography, and the certificates that the system trusts.

use ureq::tls::TlsConfig;

/// Who is trusted, and by which cryptography; or why there is none, and the mend.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn config() -> Result<TlsConfig, String> {
    use std::sync::Arc;
    use ureq::tls::{Certificate, RootCerts};

    if !processor_suffices() {
        return Err("this processor has no instructions for AES; use another machine".into());
    }
    let found = rustls_native_certs::load_native_certs();
    if found.certs.is_empty() {
        let why = found.errors.first().map_or(String::new(), |error| format!(" ({error})"));
        return Err(format!(
            "the system has no certificates{why}; install them (on many systems the package ca-certificates), set SSL_CERT_FILE"
        ));
    }
    let roots: RootCerts = found.certs.iter().map(|der| Certificate::from_der(der).to_owned()).into();
    let provider = Arc::new(rustls_graviola::default_provider());
    Ok(TlsConfig::builder().root_certs(roots).unversioned_rustls_crypto_provider(provider).build())
}

/// graviola has no code for other processors.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn config() -> Result<TlsConfig, String> {
    Err("there is no cryptography for this kind of processor; use another machine".into())
}

/// What graviola needs, and panics without.
#[cfg(target_arch = "x86_64")]
fn processor_suffices() -> bool {
    use std::is_x86_feature_detected as has;
    has!("aes")
        && has!("pclmulqdq")
        && has!("ssse3")
        && has!("avx")
        && has!("avx2")
        && has!("adx")
        && has!("bmi1")
        && has!("bmi2")
}

/// What graviola needs, and panics without.
#[cfg(target_arch = "aarch64")]
fn processor_suffices() -> bool {
    use std::arch::is_aarch64_feature_detected as has;
    has!("neon") && has!("aes") && has!("pmull") && has!("sha2")
}
