//! Long lists in pages: `?limit=` and `?after=` come in, a part of a list and where to go on go
//! out.

use super::error::AdminError;
use serde::Deserialize;

/// Which part of a list is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Page {
    /// At most so many; absent: all.
    limit: Option<usize>,
    /// Only those after this one.
    after: Option<String>,
}

impl Page {
    /// Those after which the page begins, if it does not begin at the start.
    pub(super) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// The first of what is left, and the name of the last of them if there are more.
    ///
    /// # Errors
    /// If the limit is 0, which would never come to an end.
    pub(super) fn cut<T>(
        &self,
        rest: impl IntoIterator<Item = T>,
        name: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), AdminError> {
        let Some(limit) = self.limit else {
            return Ok((rest.into_iter().collect(), None));
        };
        if limit == 0 {
            return Err(AdminError::Limit);
        }
        let mut rest = rest.into_iter();
        let page: Vec<T> = rest.by_ref().take(limit).collect();
        let next = rest.next().and_then(|_| page.last()).map(name);
        Ok((page, next))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_end_and_say_where_to_go_on() {
        let page = |limit| Page { limit, after: None }.cut([1, 2, 3], i32::to_string);
        assert_eq!(page(None).unwrap(), (vec![1, 2, 3], None));
        assert_eq!(page(Some(2)).unwrap(), (vec![1, 2], Some("2".to_owned())));
        assert_eq!(page(Some(3)).unwrap(), (vec![1, 2, 3], None));
        assert!(page(Some(0)).is_err());
    }
}
