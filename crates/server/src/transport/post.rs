//! One request with a body that is known, such as a collector of spans is sent.

use super::{HttpTransport, add};
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use latchwork_runtime::transport::TransportError;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::time::Duration;

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 << 10;

impl HttpTransport {
    /// Posts a body over HTTP/1.1, and gives the status and the beginning of the answer.
    ///
    /// # Errors
    /// If nobody answers within the limit.
    pub(crate) async fn post(
        &self,
        url: &str,
        headers: &BTreeMap<String, String>,
        content_type: &'static str,
        body: Bytes,
        limit: Duration,
    ) -> Result<(StatusCode, Bytes), TransportError> {
        let posted = self.post_once(url, headers, content_type, body);
        tokio::time::timeout(limit, posted)
            .await
            .unwrap_or_else(|_| {
                Err(TransportError::Broken {
                    address: url.to_owned(),
                    reason: format!("there was no answer within {limit:?}"),
                })
            })
    }

    async fn post_once(
        &self,
        url: &str,
        headers: &BTreeMap<String, String>,
        content_type: &'static str,
        body: Bytes,
    ) -> Result<(StatusCode, Bytes), TransportError> {
        let place = self.place(url, true)?;
        let mut all = HeaderMap::new();
        all.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        add(&mut all, headers, &place.address)?;
        let request = place.request(Method::POST, "", all)?;
        let mut stream = place.pool.open(request, true, false).await?;
        stream.send.send(body, true)?;
        let receive = &mut *stream.receive;
        let head = poll_fn(|cx| receive.poll_head(cx)).await?;
        let mut answer = BytesMut::new();
        while answer.len() < ANSWER_BYTES_MAX
            && let Some(data) = poll_fn(|cx| receive.poll_data(cx)).await
        {
            answer.extend_from_slice(&data?);
        }
        Ok((head.status, answer.freeze()))
    }
}
