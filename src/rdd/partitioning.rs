//! [`Partitioning`]: to which partition a key belongs.

use std::hash::{BuildHasher, Hash};
use std::sync::Arc;

use foldhash::fast::FixedState;

/// Hashes keys with the application's own seed. The seed is in the checkpoint, so that a key stays in
/// its partition over restarts, and is random, so that nobody can choose colliding keys.
#[derive(Debug, Clone)]
pub struct KeyHasher(FixedState);

impl KeyHasher {
    /// A hasher with a seed.
    ///
    /// ```
    /// use tidemill::rdd::KeyHasher;
    ///
    /// assert_eq!(KeyHasher::new(7).hash("ebb"), KeyHasher::new(7).hash("ebb"));
    /// assert_ne!(KeyHasher::new(7).hash("ebb"), KeyHasher::new(8).hash("ebb"));
    /// ```
    pub fn new(seed: u64) -> Self {
        Self(FixedState::with_seed(seed))
    }

    /// The hash of a key; never zero.
    ///
    /// ```
    /// use tidemill::rdd::KeyHasher;
    ///
    /// let hasher = KeyHasher::new(7);
    /// // A borrowed key has the hash of the owned one.
    /// assert_eq!(hasher.hash("ebb"), hasher.hash(&"ebb".to_owned()));
    /// ```
    #[inline]
    pub fn hash<Q: ?Sized + Hash>(&self, key: &Q) -> u64 {
        self.0.hash_one(key).max(1)
    }
}

/// Spreads a hash's lower bits over its upper ones, for those who have to look at other bits than the
/// partition and the table do: multiplied by 2^64 over the golden ratio, as in Fibonacci hashing (Knuth,
/// The Art of Computer Programming, 6.4).
#[inline]
pub(crate) fn spread(hash: u64) -> u64 {
    hash.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Says to which partition a key belongs.
///
/// ```
/// use tidemill::rdd::Partitioner;
///
/// /// Keys of one harbour together, whatever follows the slash.
/// struct ByHarbour(usize);
///
/// impl Partitioner<String> for ByHarbour {
///     fn partitions(&self) -> usize {
///         self.0
///     }
///     fn partition(&self, key: &String) -> usize {
///         let harbour = key.split('/').next().unwrap_or_default();
///         harbour.bytes().map(usize::from).sum::<usize>() % self.0
///     }
/// }
///
/// let by_harbour = ByHarbour(4);
/// let of = |key: &str| by_harbour.partition(&key.to_owned());
/// assert_eq!(of("brest/1"), of("brest/2"));
/// assert!(of("saint-malo/1") < by_harbour.partitions());
/// ```
pub trait Partitioner<K: ?Sized>: Send + Sync + 'static {
    /// How many partitions there are; at least 1.
    fn partitions(&self) -> usize;
    /// The partition of `key`, below [`Partitioner::partitions`].
    fn partition(&self, key: &K) -> usize;
}

/// How a keyed result is partitioned: by hash, or by a partitioner of one's own.
pub enum Partitioning<K: ?Sized + 'static> {
    /// By the key's hash into as many partitions.
    Hash(usize),
    /// As the partitioner says.
    By(Arc<dyn Partitioner<K>>),
}

impl<K: ?Sized + 'static> Clone for Partitioning<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Hash(partitions) => Self::Hash(*partitions),
            Self::By(partitioner) => Self::By(Arc::clone(partitioner)),
        }
    }
}

impl<K: ?Sized + 'static> From<usize> for Partitioning<K> {
    fn from(partitions: usize) -> Self {
        Self::Hash(partitions)
    }
}

impl<K: ?Sized + 'static> Partitioning<K> {
    /// As `partitioner` says.
    ///
    /// ```
    /// # let context = tidemill::StreamingContext::builder("doc", std::time::Duration::from_secs(1)).build()?;
    /// use tidemill::rdd::{Partitioner, Partitioning};
    ///
    /// /// Even numbers here, odd ones there.
    /// struct Parity;
    ///
    /// impl Partitioner<u64> for Parity {
    ///     fn partitions(&self) -> usize {
    ///         2
    ///     }
    ///     fn partition(&self, number: &u64) -> usize {
    ///         (number % 2) as usize
    ///     }
    /// }
    ///
    /// let pairs = context.parallelize(vec![(1, 'a'), (2, 'b'), (3, 'c')]);
    /// let halves = pairs.group_by_key(Partitioning::by(Parity)).keys().glom().map(Vec::len);
    /// assert_eq!(halves.collect()?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn by(partitioner: impl Partitioner<K>) -> Self {
        Self::By(Arc::new(partitioner))
    }

    /// How many partitions there are; 1 where none were asked for.
    ///
    /// ```
    /// use tidemill::rdd::Partitioning;
    ///
    /// assert_eq!(Partitioning::<str>::from(8).partitions(), 8);
    /// ```
    pub fn partitions(&self) -> usize {
        self.asked().max(1)
    }

    /// How many were asked for.
    pub(crate) fn asked(&self) -> usize {
        match self {
            Self::Hash(partitions) => *partitions,
            Self::By(partitioner) => partitioner.partitions(),
        }
    }

    /// The partition of a key with this hash. A hash table uses a hash's lowest and highest bits, so the
    /// partition comes from its middle.
    #[inline]
    pub(crate) fn of(&self, key: &K, hash: u64) -> usize {
        match self {
            Self::Hash(partitions) => {
                ((u64::from((hash >> 16) as u32) * *partitions as u64) >> 32) as usize
            }
            Self::By(by) => by.partition(key).min(by.partitions().saturating_sub(1)),
        }
    }
}
