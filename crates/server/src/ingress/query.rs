//! The query parameters that the ingress reads. All others are for the handler.

use std::borrow::Cow;

/// What a query says to the ingress; of a repeated parameter the first counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query<'a> {
    /// When a send is to start, from now.
    pub(super) delay: Option<Cow<'a, str>>,
    /// The limit key within the scope.
    pub(super) limit_key: Option<Cow<'a, str>>,
}

impl<'a> Query<'a> {
    pub(super) fn of(query: Option<&'a str>) -> Self {
        let mut found = Self::default();
        let query = query.unwrap_or_default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let place = if name.eq_ignore_ascii_case("delay") {
                &mut found.delay
            } else if name.eq_ignore_ascii_case("limit-key") {
                &mut found.limit_key
            } else {
                continue;
            };
            place.get_or_insert(value);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_each_counts_whatever_its_case() {
        let query = Query::of(Some("x=1&Delay=60+sec&delay=2s&LIMIT-KEY=a%2Fb"));
        assert_eq!(query.delay.as_deref(), Some("60 sec"));
        assert_eq!(query.limit_key.as_deref(), Some("a/b"));
        assert_eq!(Query::of(None), Query::default());
    }
}
