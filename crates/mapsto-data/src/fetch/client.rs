//! Requests for files, from their addresses or from a mirror.

use super::{FetchError, FetchOptions, tls};
use std::io::Read;
use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use ureq::http::{HeaderMap, HeaderName};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{ConnectProxyConnector, Connector, TcpConnector};
use ureq::{Agent, Error};

/// Redirections that are followed.
const REDIRECTIONS: u32 = 5;

/// Fetches files.
pub(super) struct Client {
    agent: Agent,
    mirror: Option<String>,
    /// Why there is no HTTPS.
    no_https: Option<String>,
}

/// A file that comes.
pub(super) struct Body {
    /// Which byte comes first.
    pub start: u64,
    pub reader: Box<dyn Read>,
}

impl Client {
    pub(super) fn new(options: &FetchOptions) -> Result<Client, FetchError> {
        let mirror = options.mirror.as_deref().map(|mirror| mirror.trim_end_matches('/').to_string());
        if let Some(mirror) = &mirror
            && !["http://", "https://"]
                .iter()
                .any(|scheme| mirror.strip_prefix(scheme).is_some_and(|host| !host.is_empty()))
        {
            return Err(FetchError::Mirror(mirror.clone()));
        }
        let patience = Some(options.patience);
        let config = Agent::config_builder()
            .user_agent(concat!("mapsto/", env!("CARGO_PKG_VERSION")))
            .http_status_as_error(false)
            .max_redirects(REDIRECTIONS)
            .timeout_resolve(patience)
            .timeout_connect(patience)
            .timeout_per_read(patience)
            .timeout_per_write(patience);
        Ok(match tls::config() {
            Ok(tls) => Client { agent: config.tls_config(tls).build().new_agent(), mirror, no_https: None },
            // Parts without TLS: the usual ones panic where HTTPS is asked of them and cannot be had.
            Err(reason) => {
                let connector = ConnectProxyConnector::default().chain(TcpConnector::default());
                let agent = Agent::with_parts(config.build(), connector, DefaultResolver::default());
                Client { agent, mirror, no_https: Some(reason) }
            }
        })
    }

    /// Where a file is fetched from.
    pub(super) fn address(&self, url: &str) -> String {
        match &self.mirror {
            None => url.to_string(),
            Some(mirror) => {
                let path =
                    url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
                format!("{mirror}/{path}")
            }
        }
    }

    /// Asks for a file of so many bytes from a byte on. The answer may begin at 0 all the same.
    pub(super) fn get(&self, url: &str, start: u64, bytes: u64) -> Result<Body, FetchError> {
        let address = self.address(url);
        let no_https = |reason: &String| FetchError::NoHttps { url: address.clone(), reason: reason.clone() };
        if let Some(reason) = self.no_https.as_ref().filter(|_| address.starts_with("https:")) {
            return Err(no_https(reason));
        }
        let mut request = self.agent.get(&address);
        if start > 0 {
            request = request.header(RANGE, format!("bytes={start}-"));
        }
        let network = |reason: String| FetchError::Network { url: address.clone(), reason };
        let response = request.call().map_err(|error| match (error, &self.no_https) {
            (Error::TlsRequired, Some(reason)) => no_https(reason),
            (error, _) => network(error.to_string()),
        })?;
        let start = match response.status().as_u16() {
            200 => 0,
            206 if start > 0 && first_byte(response.headers()) == Some(start) => start,
            206 => return Err(network("the server answers with another part than was asked for".into())),
            // There is nothing behind what is here: it is of another file.
            416 if start > 0 => return self.get(url, 0, bytes),
            status => return Err(FetchError::Status { url: address, status }),
        };
        let length = header(response.headers(), CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        if let Some(length) = length.map(|length| start.saturating_add(length)).filter(|length| *length != bytes) {
            return Err(FetchError::Length { url: address, got: length.to_string(), bytes });
        }
        Ok(Body { start, reader: Box::new(response.into_body().into_reader()) })
    }
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Where a part begins: `bytes 5-9/10`.
fn first_byte(headers: &HeaderMap) -> Option<u64> {
    header(headers, CONTENT_RANGE)?.strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}
