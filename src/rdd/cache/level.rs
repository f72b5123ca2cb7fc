//! [`StorageLevel`]: where kept datasets lie.

use std::fmt;
use std::str::FromStr;

/// Where a kept partition lies, and in what form. The names are the original's.
///
/// | level | what it says |
/// |---|---|
/// | `MEMORY_ONLY` | as it is, in memory; when the budget is short it is let go, and computed again when asked for |
/// | `MEMORY_AND_DISK` | the same, but when the budget is short it is moved to the scratch folder |
/// | `..._SER` | in memory as bytes: smaller, and slower to read |
/// | `DISK_ONLY` | in the scratch folder from the beginning |
/// | `..._2` | with a second copy in the second scratch folder, which is read when the first place has lost it |
/// | `OFF_HEAP` | as `MEMORY_AND_DISK_SER`: there is no garbage-collected heap to stay out of |
///
/// In the original a second copy lies on another machine.
///
/// ```
/// use tidemill::rdd::StorageLevel;
///
/// assert_eq!(StorageLevel::MEMORY_AND_DISK_SER_2.to_string(), "MEMORY_AND_DISK_SER_2");
/// assert!(StorageLevel::DISK_ONLY.uses_disk());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StorageLevel {
    memory: bool,
    disk: bool,
    serialized: bool,
    copies: u8,
}

macro_rules! levels {
    ($($name:ident = $memory:literal, $disk:literal, $serialized:literal, $copies:literal;)*) => {
        impl StorageLevel {
            $(#[doc = concat!("`", stringify!($name), "`: see [`StorageLevel`].")]
            pub const $name: Self = Self {
                memory: $memory,
                disk: $disk,
                serialized: $serialized,
                copies: $copies,
            };)*
        }

        /// Each level with its name; of two that are the same, the first.
        const NAMES: &[(StorageLevel, &str)] = &[
            $((StorageLevel::$name, stringify!($name))),*
        ];
    };
}

levels! {
    NONE = false, false, false, 1;
    DISK_ONLY = false, true, true, 1;
    DISK_ONLY_2 = false, true, true, 2;
    MEMORY_ONLY = true, false, false, 1;
    MEMORY_ONLY_2 = true, false, false, 2;
    MEMORY_ONLY_SER = true, false, true, 1;
    MEMORY_ONLY_SER_2 = true, false, true, 2;
    MEMORY_AND_DISK = true, true, false, 1;
    MEMORY_AND_DISK_2 = true, true, false, 2;
    MEMORY_AND_DISK_SER = true, true, true, 1;
    MEMORY_AND_DISK_SER_2 = true, true, true, 2;
    OFF_HEAP = true, true, true, 1;
}

impl StorageLevel {
    /// Whether partitions lie in memory while the budget has room.
    ///
    /// ```
    /// assert!(tidemill::rdd::StorageLevel::MEMORY_ONLY.uses_memory());
    /// ```
    pub const fn uses_memory(self) -> bool {
        self.memory
    }

    /// Whether partitions may lie in the scratch folder.
    ///
    /// ```
    /// assert!(!tidemill::rdd::StorageLevel::MEMORY_ONLY.uses_disk());
    /// ```
    pub const fn uses_disk(self) -> bool {
        self.disk
    }

    /// Whether what lies in memory is bytes.
    ///
    /// ```
    /// assert!(tidemill::rdd::StorageLevel::OFF_HEAP.is_serialized());
    /// ```
    pub const fn is_serialized(self) -> bool {
        self.serialized
    }

    /// In how many places a partition lies.
    ///
    /// ```
    /// assert_eq!(tidemill::rdd::StorageLevel::DISK_ONLY_2.replication(), 2);
    /// ```
    pub const fn replication(self) -> u8 {
        self.copies
    }
}

/// Reads a level's name.
///
/// ```
/// use tidemill::rdd::StorageLevel;
///
/// assert_eq!("DISK_ONLY_2".parse(), Ok(StorageLevel::DISK_ONLY_2));
/// assert!("DISC_ONLY".parse::<StorageLevel>().unwrap_err().contains("MEMORY_ONLY"));
/// ```
impl FromStr for StorageLevel {
    type Err = String;

    /// # Errors
    /// When no level has this name; all names are given.
    fn from_str(name: &str) -> Result<Self, String> {
        let found = NAMES.iter().find(|(_, known)| *known == name);
        found.map(|(level, _)| *level).ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(_, name)| *name).collect();
            format!(
                "`{name}` is no storage level: write one of {}",
                names.join(", ")
            )
        })
    }
}

impl fmt::Display for StorageLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = NAMES.iter().find(|(level, _)| level == self);
        f.write_str(known.map_or("NONE", |(_, name)| name))
    }
}
