//! Memory of the host, asked for in ways that let a refusal be an error: the usual
//! ones end the program.

use crate::temporary;
use bytemuck::Zeroable;
use bytemuck::allocation::try_zeroed_vec;
use std::error::Error;
use std::hint::black_box;
use std::{fmt, io};

/// The host has not as much memory as is needed, or not as much room for a temporary
/// file in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("out of memory on {}: {} MiB needed{}", self.place(), self.mebibytes(), self.advice())]
pub struct NoMemory {
    /// How many bytes were asked for.
    pub bytes: u64,
    /// Why a temporary file cannot have them; none: they were to be memory.
    pub file: Option<Refusal>,
}

/// Why the system refuses a temporary file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    kind: io::ErrorKind,
    /// The system's number of the error.
    code: Option<i32>,
}

impl Refusal {
    pub(crate) fn of(error: &io::Error) -> Self {
        // Libraries put the path around what the system says.
        let inner = Error::source(error).and_then(|inner| inner.downcast_ref::<io::Error>());
        let code = error.raw_os_error();
        Self {
            kind: error.kind(),
            code: code.or_else(|| inner.and_then(io::Error::raw_os_error)),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => io::Error::from_raw_os_error(code).fmt(f),
            None => self.kind.fmt(f),
        }
    }
}

impl NoMemory {
    /// What there is too little of.
    pub(crate) fn place(self) -> &'static str {
        match self.file {
            None => "the host",
            Some(_) => "the disk",
        }
    }

    pub(crate) fn mebibytes(self) -> u64 {
        self.bytes.div_ceil(1 << 20)
    }

    /// Where the temporary file was to be, and what helps.
    pub(crate) fn advice(self) -> String {
        self.file.map_or(String::new(), |reason| {
            let folder = temporary::folder();
            format!(
                " for a temporary file in {} ({reason}); make room there, or name another folder in TMPDIR",
                folder.display()
            )
        })
    }
}

/// From this size on, what is asked for leaves [`SPARE`] for everything else.
const LARGE: usize = 1 << 16;

/// Memory that stays for what is small and for what libraries allocate, which
/// nobody asks about. More than 32 MiB: giving less back would let glibc keep
/// blocks of that size from then on.
const SPARE: usize = 40 << 20;

/// An empty vector with room for so many elements.
pub(crate) fn with_room<T>(count: usize) -> Result<Vec<T>, NoMemory> {
    let mut vector = Vec::new();
    reserve(&mut vector, count)?;
    Ok(vector)
}

/// Makes room for exactly so many more elements.
pub(crate) fn reserve<T>(vector: &mut Vec<T>, more: usize) -> Result<(), NoMemory> {
    let made = vector.try_reserve_exact(more).is_ok();
    checked::<T>(made, more)
}

/// So many zeros. Memory is taken as they are written to.
pub(crate) fn zeros<T: Zeroable>(count: usize) -> Result<Vec<T>, NoMemory> {
    let vector = try_zeroed_vec(count);
    checked::<T>(vector.is_ok(), count)?;
    vector.map_err(|()| NoMemory {
        bytes: 0,
        file: None,
    })
}

/// A copy.
pub(crate) fn copied<T: Copy>(elements: &[T]) -> Result<Vec<T>, NoMemory> {
    let mut vector = with_room(elements.len())?;
    vector.extend_from_slice(elements);
    Ok(vector)
}

/// So many elements of an iterator, or all that there are.
pub(crate) fn collected<T>(
    count: usize,
    elements: impl IntoIterator<Item = T>,
) -> Result<Vec<T>, NoMemory> {
    let mut vector = with_room(count)?;
    vector.extend(elements.into_iter().take(count));
    Ok(vector)
}

/// Adds an element at the end.
pub(crate) fn push<T>(vector: &mut Vec<T>, element: T) -> Result<(), NoMemory> {
    if vector.len() == vector.capacity() {
        let made = vector.try_reserve(1).is_ok();
        checked::<T>(made, vector.capacity())?;
    }
    vector.push(element);
    Ok(())
}

/// Whether there are so many bytes at once, for a library that does not ask.
pub(crate) fn probe(bytes: usize) -> Result<(), NoMemory> {
    black_box(with_room::<u8>(bytes)?);
    Ok(())
}

/// Whether there is enough for everything small.
pub(crate) fn has_spare() -> bool {
    let mut spare = Vec::<u8>::new();
    let made = spare.try_reserve_exact(SPARE).is_ok();
    // Else compilers leave it out.
    black_box(spare);
    made
}

/// An error unless an allocation was made and leaves enough.
fn checked<T>(made: bool, count: usize) -> Result<(), NoMemory> {
    let bytes = count.saturating_mul(size_of::<T>());
    let is_there = made && (bytes < LARGE || has_spare());
    #[cfg(test)]
    let is_there = is_there && !refusal::refuses(bytes as u64);
    match is_there {
        true => Ok(()),
        false => Err(NoMemory {
            bytes: bytes as u64,
            file: None,
        }),
    }
}

/// Memory that a test lets run out.
#[cfg(test)]
pub(crate) mod refusal {
    use std::cell::RefCell;

    type Refuse = Box<dyn FnMut(u64) -> bool>;

    thread_local! {
        static REFUSE: RefCell<Option<Refuse>> = const { RefCell::new(None) };
    }

    /// Asks `refuse` from now on, for each slot and each large array that this
    /// thread allocates, whether there is no memory for so many bytes.
    pub fn set(refuse: impl FnMut(u64) -> bool + 'static) {
        REFUSE.set(Some(Box::new(refuse)));
    }

    pub fn clear() {
        REFUSE.set(None);
    }

    pub fn refuses(bytes: u64) -> bool {
        REFUSE.with_borrow_mut(|refuse| refuse.as_mut().is_some_and(|refuse| refuse(bytes)))
    }
}
