//! Samples in memory, or in a temporary file where there are many.

use crate::host_memory::{NoMemory, collected, zeros};
use crate::temporary;
use bytemuck::Pod;
use memmap2::MmapMut;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

/// Bytes that are worked on before the system may take their memory back.
const PART: usize = 4 << 20;

/// Elements in memory, or in a temporary file without a name, which the system
/// writes to and reads from as it has memory.
pub struct Buffer<T>(Place<T>);

enum Place<T> {
    Memory(Vec<T>),
    File(Mapped<T>),
}

struct Mapped<T> {
    map: MmapMut,
    /// How many elements of it count.
    len: usize,
    of: PhantomData<T>,
}

impl<T: Pod> Buffer<T> {
    /// So many zeros; of more bytes than `in_memory`, in a file.
    pub(crate) fn zeros(count: usize, in_memory: u64) -> Result<Self, NoMemory> {
        let bytes = count.saturating_mul(size_of::<T>());
        if bytes as u64 <= in_memory || bytes == 0 {
            return Ok(zeros(count)?.into());
        }
        Ok(Self(Place::File(Mapped {
            map: temporary::map(bytes)?,
            len: count,
            of: PhantomData,
        })))
    }

    /// So many zeros where these elements are: in memory or in a file.
    pub(crate) fn zeros_beside<U: Pod>(&self, count: usize) -> Result<Buffer<U>, NoMemory> {
        Buffer::zeros(count, if self.is_in_file() { 0 } else { u64::MAX })
    }

    /// A copy in the same kind of place.
    pub(crate) fn copied(&self) -> Result<Self, NoMemory> {
        if !self.is_in_file() {
            return Ok(crate::host_memory::copied(self)?.into());
        }
        let mut copy = self.zeros_beside(self.len())?;
        let mut from = self.parts(1);
        copy.for_parts(1, |part| {
            part.copy_from_slice(from.next().expect("as many parts"));
            true
        });
        Ok(copy)
    }

    /// Whether the elements are in a file.
    pub(crate) fn is_in_file(&self) -> bool {
        matches!(self.0, Place::File(_))
    }

    /// Lets the system take the memory back that a file's elements have, as it
    /// may at any time. They stay as they are.
    pub(crate) fn let_go(&self) {
        #[cfg(target_os = "linux")]
        if let Place::File(mapped) = &self.0 {
            // SAFETY: pages of a shared mapping of a file are read from it again,
            // with all that was written to them.
            let asked = unsafe {
                mapped
                    .map
                    .unchecked_advise(memmap2::UncheckedAdvice::DontNeed)
            };
            // If it does not, it does so when it needs memory.
            let _ = asked;
        }
    }

    /// All elements, in parts of whole groups of `group`. What was given before is let go.
    pub(crate) fn parts(&self, group: usize) -> impl Iterator<Item = &[T]> {
        let parts = self.chunks(part_len::<T>(group));
        parts.inspect(|_| self.let_go())
    }

    /// Changes all elements, in parts of whole groups of `group`, as long as
    /// `change` says so.
    pub(crate) fn for_parts(&mut self, group: usize, mut change: impl FnMut(&mut [T]) -> bool) {
        let len = part_len::<T>(group);
        for start in (0..self.len()).step_by(len) {
            let end = self.len().min(start + len);
            if !change(&mut self[start..end]) {
                return;
            }
            self.let_go();
        }
    }

    /// Drops elements at the end.
    pub(crate) fn truncate(&mut self, len: usize) {
        match &mut self.0 {
            Place::Memory(elements) => {
                elements.truncate(len);
                elements.shrink_to_fit();
            }
            Place::File(mapped) => mapped.len = mapped.len.min(len),
        }
    }

    /// A vector in memory in place of the elements, without any.
    pub(crate) fn emptied(&mut self) -> &mut Vec<T> {
        if self.is_in_file() {
            self.0 = Place::Memory(Vec::new());
        }
        match &mut self.0 {
            Place::Memory(elements) => {
                elements.clear();
                elements
            }
            Place::File(_) => unreachable!("it was put into memory"),
        }
    }

    /// The elements in memory.
    pub(crate) fn into_memory(self) -> Result<Vec<T>, NoMemory> {
        match self.0 {
            Place::Memory(elements) => Ok(elements),
            Place::File(_) => collected(self.len(), self.iter().copied()),
        }
    }
}

/// How many elements a part has.
fn part_len<T>(group: usize) -> usize {
    (PART / size_of::<T>() / group).max(1) * group
}

impl<T: Pod> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Place::Memory(elements) => elements,
            Place::File(mapped) => bytemuck::cast_slice(&mapped.map[..mapped.len * size_of::<T>()]),
        }
    }
}

impl<T: Pod> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        match &mut self.0 {
            Place::Memory(elements) => elements,
            Place::File(mapped) => {
                bytemuck::cast_slice_mut(&mut mapped.map[..mapped.len * size_of::<T>()])
            }
        }
    }
}

impl<T> From<Vec<T>> for Buffer<T> {
    fn from(elements: Vec<T>) -> Self {
        Self(Place::Memory(elements))
    }
}

impl<T> FromIterator<T> for Buffer<T> {
    fn from_iter<I: IntoIterator<Item = T>>(elements: I) -> Self {
        Vec::from_iter(elements).into()
    }
}

/// A copy in memory.
impl<T: Pod> Clone for Buffer<T> {
    fn clone(&self) -> Self {
        self.to_vec().into()
    }
}

impl<T: Pod + PartialEq> PartialEq for Buffer<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Pod + Eq> Eq for Buffer<T> {}

impl<T: Pod + fmt::Debug> fmt::Debug for Buffer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&**self).finish()
    }
}

impl<'a, T: Pod> IntoIterator for &'a Buffer<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
