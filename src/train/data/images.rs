//! The images of a training set, read when they are first drawn.

use super::draws::Draws;
use crate::image::{DecodeOptions, bicubic, decode, dimensions_within};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Lossy images whose sides are at least this long are halved, which hides the
/// blocks that their compression left.
const HALVED_FROM: usize = 800;

/// A file, as its header describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageFile {
    pub path: PathBuf,
    /// Width and height of what crops are taken from: halved if it is lossy and
    /// large, and cropped to multiples of the scale.
    pub size: [usize; 2],
    halved: bool,
}

/// An image and its LR image, R, G and B of each pixel in 8 bits.
#[derive(Debug)]
pub struct Loaded {
    pub hr: Vec<u8>,
    pub lr: Vec<u8>,
}

impl Loaded {
    fn bytes(&self) -> u64 {
        (self.hr.len() + self.lr.len()) as u64
    }
}

/// An image that was drawn: one in memory, or none if it cannot be read.
type Slot = OnceLock<Option<Arc<Loaded>>>;

/// A training set.
pub struct Images {
    files: Vec<ImageFile>,
    /// Pixels of the files so far, each counted in.
    areas: Vec<u64>,
    slots: Vec<Slot>,
    scale: usize,
    /// Bytes that may still be kept.
    room: AtomicU64,
    notes: Mutex<Vec<String>>,
}

impl Images {
    /// The images among these files that are large enough for crops of `crop`
    /// pixels a side. The others are named by [`take_notes`](Self::take_notes).
    /// `room` is how many bytes of decoded images are kept in memory; beyond that,
    /// they are decoded each time they are drawn.
    pub fn new(paths: &[PathBuf], scale: usize, crop: usize, room: u64) -> Self {
        let mut images = Self {
            files: Vec::new(),
            areas: Vec::new(),
            slots: Vec::new(),
            scale,
            room: AtomicU64::new(room),
            notes: Mutex::default(),
        };
        let mut area = 0;
        for path in paths {
            match describe(path, scale) {
                Ok(file) if file.size.iter().all(|&side| side >= crop) => {
                    area += (file.size[0] * file.size[1]) as u64;
                    images.files.push(file);
                    images.areas.push(area);
                    images.slots.push(Slot::new());
                }
                Ok(_) => images.note(path, &format!("smaller than {crop}x{crop}")),
                Err(reason) => images.note(path, &reason),
            }
        }
        images
    }

    pub fn files(&self) -> &[ImageFile] {
        &self.files
    }

    /// Pixels of all images.
    pub fn pixels(&self) -> u64 {
        self.areas.last().copied().unwrap_or(0)
    }

    /// What was left out, and why: one line each.
    pub fn take_notes(&self) -> Vec<String> {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *notes)
    }

    fn note(&self, path: &Path, reason: &str) {
        let note = format!("{}: left out: {reason}", path.display());
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(note);
    }

    /// Draws an image, each as likely as it has pixels. None if no image can be
    /// read.
    pub(super) fn draw(&self, draws: &mut Draws) -> Option<(&ImageFile, Arc<Loaded>)> {
        let pixel = draws.below(usize::try_from(self.pixels()).ok().filter(|&p| p > 0)?) as u64;
        let drawn = self.areas.partition_point(|&area| area <= pixel);
        // The next one in place of one that cannot be read.
        let count = self.files.len();
        let mut indices = (drawn..drawn + count).map(|index| index % count);
        indices.find_map(|index| Some((&self.files[index], self.load(index)?)))
    }

    fn load(&self, index: usize) -> Option<Arc<Loaded>> {
        if let Some(known) = self.slots[index].get() {
            return known.clone();
        }
        let file = &self.files[index];
        match read(file, self.scale) {
            Ok(loaded) => {
                let (loaded, bytes) = (Arc::new(loaded), &self.room);
                let size = loaded.bytes();
                let taken = bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |room| {
                    room.checked_sub(size)
                });
                if taken.is_ok() {
                    let _ = self.slots[index].set(Some(loaded.clone()));
                }
                Some(loaded)
            }
            Err(reason) => {
                if self.slots[index].set(None).is_ok() {
                    self.note(&file.path, &reason);
                }
                None
            }
        }
    }
}

/// What can be told from the header.
fn describe(path: &Path, scale: usize) -> Result<ImageFile, String> {
    let limit = DecodeOptions::default().max_pixels;
    let (width, height) =
        dimensions_within(path, limit).map_err(|error| error.problem.to_string())?;
    let halved = width.min(height) >= HALVED_FROM && is_lossy(path);
    let size = [width, height].map(|side| {
        let side = if halved { side / 2 } else { side };
        side - side % scale
    });
    Ok(ImageFile {
        path: path.to_owned(),
        size,
        halved,
    })
}

/// Whether the file's content is that of a JPEG file.
fn is_lossy(path: &Path) -> bool {
    let mut start = [0; 3];
    let file = fs::File::open(path);
    let read = file.and_then(|mut file| std::io::Read::read_exact(&mut file, &mut start));
    read.is_ok() && start == [0xFF, 0xD8, 0xFF]
}

fn read(file: &ImageFile, scale: usize) -> Result<Loaded, String> {
    let decoded = decode(&file.path, &DecodeOptions::default());
    let mut picture = decoded.map_err(|error| error.problem.to_string())?.picture;
    let no_memory = |_| "the system has no memory for it".to_owned();
    if file.halved {
        let (width, height) = (picture.width / 2, picture.height / 2);
        picture = picture.resized(width, height).map_err(no_memory)?;
    }
    let [width, height] = file.size;
    if picture.width < width || picture.height < height {
        return Err("it has become smaller since its size was read".to_owned());
    }
    let picture = picture.cropped(width, height).map_err(no_memory)?;
    let hr = picture.rgb8().into_owned();
    let small = [width / scale, height / scale];
    let lr = bicubic::resize_u8(&hr, [width, height], 3, small).map_err(no_memory)?;
    Ok(Loaded { hr, lr })
}
