//! The documentation of a setting: its kind, default, range and meaning.

/// The kind of a setting's value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    ClusterId,
    Number,
    Bytes,
    Duration,
    Boolean,
    Directory,
    File,
    Address,
    Members,
    LogFormat,
    LogFilter,
}

impl Kind {
    /// The placeholder of a value in help texts.
    pub(super) const fn value_name(self) -> &'static str {
        match self {
            Self::ClusterId => "HEX",
            Self::Number => "N",
            Self::Bytes => "BYTES",
            Self::Duration => "DURATION",
            Self::Boolean => "BOOL",
            Self::Directory => "DIRECTORY",
            Self::File => "FILE",
            Self::Address => "IP:PORT",
            Self::Members => "ID=PEER/CLIENT,...",
            Self::LogFormat => "FORMAT",
            Self::LogFilter => "FILTER",
        }
    }

    /// The type of a value in the configuration file.
    pub(super) const fn toml_type(self) -> &'static str {
        match self {
            Self::ClusterId | Self::Address | Self::LogFormat | Self::LogFilter => "string",
            Self::Number => "integer",
            Self::Bytes => "integer, or string with a unit",
            Self::Duration => "string with a unit",
            Self::Boolean => "boolean",
            Self::Directory | Self::File => "string, a path",
            Self::Members => "array of tables",
        }
    }

    /// The units of a value.
    pub(super) const fn unit(self) -> &'static str {
        match self {
            Self::Bytes => "bytes; `KiB`, `MiB`, `GiB`",
            Self::Duration => "`ms`, `s`, `m`",
            Self::ClusterId
            | Self::Number
            | Self::Boolean
            | Self::Directory
            | Self::File
            | Self::Address
            | Self::Members
            | Self::LogFormat
            | Self::LogFilter => "-",
        }
    }
}

/// The default of a setting.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum DefaultValue {
    /// There is none: the setting is required.
    Required,
    /// A value, as it can be written in a file.
    Value(String),
    /// A description of a value that depends on other settings or on the machine.
    Text(String),
}

/// The documentation of a setting.
#[derive(Clone, Debug)]
pub(super) struct Setting {
    /// The key in the file; the flag is `--` and the key with dashes.
    pub(super) key: &'static str,
    /// The environment variable.
    pub(super) variable: &'static str,
    /// The kind of value.
    pub(super) kind: Kind,
    /// The meaning, in sentences.
    pub(super) meaning: String,
    /// The default.
    pub(super) default: DefaultValue,
    /// The valid values.
    pub(super) range: String,
}

/// Settings that belong together.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The heading of the group.
    pub(super) name: &'static str,
    /// The settings.
    pub(super) settings: Vec<Setting>,
}
