//! What a stored command is about, in a word, for whoever shows journals to people.

use super::{Call, OneWayCall};
use crate::service::frame::ty;
use prost::Message;

/// The name that user code gave a command: the same field in all of them.
pub fn name(raw: &[u8]) -> String {
    #[derive(Clone, PartialEq, Message)]
    struct Named {
        #[prost(string, tag = "12")]
        name: String,
    }
    Named::decode(raw).map_or_else(|_| String::new(), |named| named.name)
}

/// What a call or a send calls: `Service/key/handler`, or `Service/handler` where there is no key.
pub fn called(wire_type: u16, raw: &[u8]) -> Option<String> {
    let (service, key, handler) = match wire_type {
        ty::CALL => {
            let call = Call::decode(raw).ok()?;
            (call.service_name, call.key, call.handler_name)
        }
        ty::ONE_WAY_CALL => {
            let send = OneWayCall::decode(raw).ok()?;
            (send.service_name, send.key, send.handler_name)
        }
        _ => return None,
    };
    Some(if key.is_empty() {
        format!("{service}/{handler}")
    } else {
        format!("{service}/{key}/{handler}")
    })
}
