//! The admin port: what operators ask and wish, as JSON and as SQL.

use crate::http::{ANSWER_LIMIT, ClientError, Http, Reply, Wish};
use latchwork_protocol::admin::ErrorBody;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::fmt;
use ureq::http::Method;

/// The admin port of a server.
pub(crate) struct Admin {
    http: Http,
}

/// One row of an answer, its columns in the order in which they were asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row(pub(crate) Vec<(String, Value)>);

impl Admin {
    /// Nothing is sent yet.
    pub(crate) fn over(http: Http) -> Self {
        Self { http }
    }

    /// Where it is.
    pub(crate) fn base(&self) -> &str {
        self.http.base()
    }

    /// Reads something.
    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.tell(Method::GET, path, None)?.json()
    }

    /// Sends something, and takes any answer that is no refusal.
    pub(crate) fn tell(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Reply, ClientError> {
        let json = ("content-type", "application/json");
        let reply = self.http.exchange(Wish {
            method,
            path,
            headers: body.iter().map(|_| json).collect(),
            body: body.map(|body| body.to_string().into_bytes()),
            limit: Some(ANSWER_LIMIT),
        })?;
        accepted(reply)
    }

    /// Sends something that takes as long as it takes; each line of the answer is JSON.
    pub(crate) fn follow(
        &self,
        path: &str,
        body: &Value,
        each: &mut dyn FnMut(Value),
    ) -> Result<(), ClientError> {
        let wish = Wish {
            method: Method::POST,
            path,
            headers: vec![("content-type", "application/json")],
            body: Some(body.to_string().into_bytes()),
            limit: None,
        };
        let mut unreadable = None;
        let refused = self
            .http
            .lines(wish, &mut |line| match serde_json::from_str(line) {
                Ok(value) => each(value),
                Err(error) => unreadable = Some(error),
            })?;
        if let Some(reply) = refused {
            accepted(reply)?;
        }
        match unreadable {
            None => Ok(()),
            Some(error) => Err(ClientError::Unreadable {
                url: format!("{}{path}", self.base()),
                reason: error.to_string(),
            }),
        }
    }

    /// Runs a statement; each row becomes a `T`.
    pub(crate) fn query<T: DeserializeOwned>(&self, sql: &str) -> Result<Vec<T>, ClientError> {
        #[derive(Deserialize)]
        #[serde(bound = "T: DeserializeOwned")]
        struct Answer<T> {
            rows: Vec<T>,
        }
        let reply = self.http.exchange(Wish {
            method: Method::POST,
            path: "/query",
            headers: vec![
                ("accept", "application/json"),
                ("content-type", "application/json"),
            ],
            body: Some(json!({ "query": sql }).to_string().into_bytes()),
            limit: Some(ANSWER_LIMIT),
        })?;
        Ok(accepted(reply)?.json::<Answer<T>>()?.rows)
    }
}

fn accepted(reply: Reply) -> Result<Reply, ClientError> {
    if reply.is_success() {
        return Ok(reply);
    }
    let (message, code) = match serde_json::from_slice::<ErrorBody>(&reply.body) {
        Ok(body) => (body.message, body.restate_code),
        Err(_) => {
            let text = String::from_utf8_lossy(&reply.body);
            (
                format!("{} answered {}: {text}", reply.url, reply.status),
                None,
            )
        }
    };
    Err(ClientError::Refused {
        status: reply.status,
        message,
        code,
    })
}

impl<'de> Deserialize<'de> for Row {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Columns;
        impl<'de> Visitor<'de> for Columns {
            type Value = Row;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a row as an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Row, A::Error> {
                let mut columns = Vec::new();
                while let Some(column) = map.next_entry()? {
                    columns.push(column);
                }
                Ok(Row(columns))
            }
        }
        deserializer.deserialize_map(Columns)
    }
}

impl serde::Serialize for Row {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_the_order_of_their_columns() {
        let text = r#"{"z":18446744073709551615,"a":null,"m":"x"}"#;
        let row: Row = serde_json::from_str(text).expect("a row");
        let names: Vec<_> = row.0.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["z", "a", "m"]);
        assert_eq!(serde_json::to_string(&row).expect("JSON"), text);
    }
}
