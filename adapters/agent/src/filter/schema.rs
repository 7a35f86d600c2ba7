//! Which fields objects have, and of which kinds they are.

/// The fields of an object.
pub type Fields = &'static [Field];

/// One field.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name, in selectors and in the object.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
}

/// What a field holds, which decides about the operators it allows (consul-http, section 9).
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number.
    Number,
    /// True or false.
    Bool,
    /// A list of texts.
    Texts,
    /// Values of one kind under names of any sort.
    Map(&'static Kind),
    /// An object.
    Object(Fields),
    /// A list of objects. A match on their fields holds if it holds for any of them.
    Objects(Fields),
}

/// A field, in short.
#[must_use]
pub const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}
