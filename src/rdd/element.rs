//! [`Element`]: what a dataset or a stream can hold, and [`Chunk`]: how elements move.
//!
//! Work moves in chunks of a few hundred to a few thousand elements, so that a virtual call is paid once
//! a chunk and never once a record. Elements are visited by reference. Text is visited as `&str`: views
//! into the block that it came in, see [`TextBuffer`](super::TextBuffer).

use std::borrow::Borrow;
use std::sync::Arc;

/// A sized element: anything that can be cloned and shared between threads.
pub trait Data: Clone + Send + Sync + 'static {}
impl<T: Clone + Send + Sync + 'static> Data for T {}

/// How many elements an operator gathers before it hands them on.
pub(crate) const CHUNK: usize = 4096;

/// What a dataset can hold: every sized type that can be cloned and shared between threads, and `str`.
pub trait Element: ToOwned<Owned = Self::Own> + Send + Sync + 'static {
    /// What becomes of an element that outlives its chunk: `String` for `str`, else the type itself.
    type Own: Borrow<Self> + Clone + Send + Sync + 'static;
    /// Holds many of them.
    type Buffer: Buffer<Self>;
}

impl<T: Data> Element for T {
    type Own = T;
    type Buffer = Vec<T>;
}

/// A growable run of elements.
///
/// ```
/// use tidemill::rdd::{Buffer, TextBuffer};
///
/// // Text lies one behind the other, or where it came in; to whoever fills or reads it, it's a list.
/// let mut words = TextBuffer::default();
/// words.push("spring");
/// words.push_owned("tide".to_owned());
/// let mut more = TextBuffer::default();
/// more.push("neap");
/// words.append(&mut more);
/// assert_eq!((words.len(), more.is_empty()), (3, true));
/// assert!(words.bytes() > 0);
///
/// words.truncate(2);
/// let mut seen = Vec::new();
/// words.for_each(|word| seen.push(word.len()));
/// assert_eq!(seen, [6, 4]);
///
/// let mut taken = Vec::new();
/// words.drain_each(|word| taken.push(word));
/// assert_eq!(taken, ["spring", "tide"]);
/// assert!(words.is_empty());
/// ```
pub trait Buffer<T: ?Sized + Element>: Default + Send + Sync + 'static {
    /// Adds a copy of `value`.
    fn push(&mut self, value: &T);
    /// Adds `value` itself.
    fn push_owned(&mut self, value: T::Own);
    /// How many elements are held.
    fn len(&self) -> usize;
    /// Whether none are held.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Bytes that it takes in memory, without what its elements point to.
    fn bytes(&self) -> usize {
        self.len() * size_of::<T::Own>()
    }
    /// Forgets all elements, keeps the room.
    fn clear(&mut self);
    /// Forgets the elements behind the first `len`.
    fn truncate(&mut self, len: usize);
    /// Visits each element in order.
    fn for_each(&self, visit: impl FnMut(&T));
    /// Hands out each element in order and leaves the buffer empty.
    fn drain_each(&mut self, take: impl FnMut(T::Own));
    /// Moves all of `other`'s elements behind one's own.
    fn append(&mut self, other: &mut Self);
    /// The text that held elements may be views into.
    fn source(&self) -> Option<&Arc<String>> {
        None
    }
    /// Says which text the elements to come are probably views into.
    fn set_source(&mut self, _source: Option<&Arc<String>>) {}
}

impl<T: Data> Buffer<T> for Vec<T> {
    fn push(&mut self, value: &T) {
        Vec::push(self, value.clone());
    }
    fn push_owned(&mut self, value: T) {
        Vec::push(self, value);
    }
    fn len(&self) -> usize {
        Vec::len(self)
    }
    fn clear(&mut self) {
        Vec::clear(self);
    }
    fn truncate(&mut self, len: usize) {
        Vec::truncate(self, len);
    }
    fn for_each(&self, visit: impl FnMut(&T)) {
        self.iter().for_each(visit);
    }
    fn drain_each(&mut self, take: impl FnMut(T)) {
        self.drain(..).for_each(take);
    }
    fn append(&mut self, other: &mut Self) {
        Vec::append(self, other);
    }
}

/// A run of elements on its way from one operator to the next.
pub enum Chunk<'a, T: ?Sized + Element> {
    /// The receiver may take the elements out.
    Owned(&'a mut T::Buffer),
    /// The elements stay where they are (a cached partition).
    Shared(&'a T::Buffer),
    /// The elements lie scattered (entries of a hash table).
    Refs(&'a [&'a T]),
}

impl<T: ?Sized + Element> Chunk<'_, T> {
    /// How many elements there are.
    ///
    /// ```
    /// use tidemill::rdd::Chunk;
    ///
    /// let chunk = Chunk::<char>::Shared(&vec!['a', 'b']);
    /// assert_eq!(chunk.len(), 2);
    /// ```
    pub fn len(&self) -> usize {
        match self {
            Chunk::Owned(buffer) => buffer.len(),
            Chunk::Shared(buffer) => buffer.len(),
            Chunk::Refs(refs) => refs.len(),
        }
    }

    /// Whether there are none.
    ///
    /// ```
    /// use tidemill::rdd::Chunk;
    ///
    /// assert!(Chunk::<char>::Shared(&Vec::new()).is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Visits each element in order.
    ///
    /// ```
    /// use tidemill::rdd::Chunk;
    ///
    /// let mut seen = Vec::new();
    /// Chunk::<char>::Shared(&vec!['a', 'b']).for_each(|letter| seen.push(*letter));
    /// assert_eq!(seen, ['a', 'b']);
    /// ```
    #[inline]
    pub fn for_each(&self, mut visit: impl FnMut(&T)) {
        // As few copies of `visit` as can be, so that it is inlined into each.
        let buffer: &T::Buffer = match self {
            Chunk::Owned(buffer) => buffer,
            Chunk::Shared(buffer) => buffer,
            Chunk::Refs(refs) => return refs.iter().for_each(|value| visit(value)),
        };
        buffer.for_each(visit);
    }

    /// Hands out each element in order, cloned only where it can't be moved.
    ///
    /// ```
    /// use tidemill::rdd::Chunk;
    ///
    /// let (mut letters, mut taken) = (vec!['a', 'b'], Vec::new());
    /// Chunk::<char>::Owned(&mut letters).into_each(|letter| taken.push(letter));
    /// assert_eq!((letters.len(), taken), (0, vec!['a', 'b']));
    /// ```
    pub fn into_each(self, mut take: impl FnMut(T::Own)) {
        match self {
            Chunk::Owned(buffer) => buffer.drain_each(take),
            Chunk::Shared(buffer) => buffer.for_each(|value| take(value.to_owned())),
            Chunk::Refs(refs) => refs.iter().for_each(|value| take((*value).to_owned())),
        }
    }

    /// Appends all elements to `buffer`, as views where they are text of the same source.
    ///
    /// ```
    /// use tidemill::rdd::Chunk;
    ///
    /// let (held, mut all) = (vec!['b', 'c'], vec!['a']);
    /// Chunk::<char>::Shared(&held).append_to(&mut all);
    /// assert_eq!(all, ['a', 'b', 'c']);
    /// ```
    pub fn append_to(self, buffer: &mut T::Buffer) {
        match self {
            Chunk::Owned(from) if buffer.is_empty() => std::mem::swap(from, buffer),
            Chunk::Owned(from) => buffer.append(from),
            Chunk::Shared(from) => from.for_each(|value| buffer.push(value)),
            Chunk::Refs(refs) => refs.iter().for_each(|value| buffer.push(value)),
        }
    }

    /// The text that the elements may be views into.
    pub(crate) fn source(&self) -> Option<&Arc<String>> {
        match self {
            Chunk::Owned(buffer) => buffer.source(),
            Chunk::Shared(buffer) => buffer.source(),
            Chunk::Refs(_) => None,
        }
    }
}
