//! A terminal with somebody in front of it, for programs that ask only such.

use rustix::fs::{Mode, OFlags, fcntl_setfl};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::cell::RefCell;
use std::fs::File;
use std::io::{Read, Write};
use std::process::Stdio;

/// A pseudo-terminal. Dropped, it hangs up.
pub(crate) struct Terminal {
    person: File,
    end: File,
    shown: RefCell<String>,
}

impl Terminal {
    pub(crate) fn open() -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        // Nobody else holds it: it hangs up when it is dropped. (Some systems cannot open it so.)
        fcntl_setfd(&person, FdFlags::CLOEXEC).expect("it is not passed on");
        grantpt(&person).expect("its end may be opened");
        unlockpt(&person).expect("its end may be opened");
        let path = ptsname(&person, Vec::new()).expect("its path");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let end = rustix::fs::open(path, flags, Mode::empty()).expect("its end");
        fcntl_setfl(&person, OFlags::RDWR | OFlags::NONBLOCK).expect("reading does not wait");
        let (person, end) = (File::from(person), File::from(end));
        Self {
            person,
            end,
            shown: RefCell::default(),
        }
    }

    /// The end that a program has.
    pub(crate) fn end(&self) -> Stdio {
        self.end.try_clone().expect("one more").into()
    }

    /// Types it.
    pub(crate) fn write(&self, text: &str) {
        (&self.person)
            .write_all(text.as_bytes())
            .expect("it is typed");
    }

    /// How often this was shown so far.
    pub(crate) fn count(&self, words: &str) -> usize {
        let mut shown = self.shown.borrow_mut();
        let mut bytes = [0; 1024];
        // Nothing more just now is an error.
        while let Ok(read @ 1..) = (&self.person).read(&mut bytes) {
            shown.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        shown.matches(words).count()
    }
}
