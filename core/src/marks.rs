//! Marked places in the core: where a test may have it do something wrong, or take a branch that
//! is rare.
//!
//! Both exist only when it is compiled with `--cfg tidings_bugs`. Everywhere else `bug!` and
//! `rare!` are `false`, and nothing of this is left in the program.

/// Whether a deliberate bug is on here: `bug!(cx, ForgetsToRefute)`.
#[cfg(tidings_bugs)]
macro_rules! bug {
    ($cx:expr, $name:ident) => {
        $cx.config.bugs.contains($crate::bugs::Bug::$name)
    };
}

/// Whether a deliberate bug is on here: never.
#[cfg(not(tidings_bugs))]
macro_rules! bug {
    ($cx:expr, $name:ident) => {{
        let _ = &$cx;
        false
    }};
}

/// Whether to take a rare branch this time: `rare!(cx, SyncRefused)`.
#[cfg(tidings_bugs)]
macro_rules! rare {
    ($cx:expr, $name:ident) => {
        $cx.rares.strike($crate::rare::Rare::$name)
    };
}

/// Whether to take a rare branch this time: no.
#[cfg(not(tidings_bugs))]
macro_rules! rare {
    ($cx:expr, $name:ident) => {{
        let _ = &$cx;
        false
    }};
}

/// An enum whose variants know each other and their names, with a text for each.
#[cfg(tidings_bugs)]
macro_rules! named {
    (
        $(#[$about:meta])* $enum:ident, $(#[$about_text:meta])* $text:ident:
        $($(#[$doc:meta])* $name:ident = $value:literal,)*
    ) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $enum {
            $($(#[$doc])* $name,)*
        }

        impl $enum {
            /// All of them.
            pub const ALL: &[$enum] = &[$($enum::$name,)*];

            /// As it is written in scripts.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $($enum::$name => stringify!($name),)*
                }
            }

            /// The one with this name.
            #[must_use]
            pub fn named(name: &str) -> Option<$enum> {
                Self::ALL.iter().copied().find(|one| one.name() == name)
            }

            $(#[$about_text])*
            #[must_use]
            pub const fn $text(self) -> &'static str {
                match self {
                    $($enum::$name => $value,)*
                }
            }
        }
    };
}
