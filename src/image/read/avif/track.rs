//! Animations of AVIF files: tracks of AV1 frames (ISO/IEC 14496-12, 8.3 to 8.8).

use super::super::frames::Progress;
use super::super::{Source, length};
use super::av1::{Frame, Frames};
use super::bytes::{Bytes, Name, read_at, wrong_header};
use super::is_alpha;
use crate::image::ImageProblem;
use std::time::Duration;

/// The most frames; a header of a few bytes may state any number.
const MOST: usize = 1 << 20;

/// Frames, and the opacity of each where there is any.
#[derive(Debug)]
pub struct Animation {
    pub color: Track,
    pub alpha: Option<Track>,
    /// Colours were multiplied with the opacity.
    pub is_premultiplied: bool,
}

#[derive(Debug)]
pub struct Track {
    id: u32,
    pub size: [u32; 2],
    /// What is said about the colours of frames and how they are shown, as
    /// properties say it of items.
    pub properties: Vec<(Name, Vec<u8>)>,
    /// Where each frame is in the file: offset and length.
    frames: Vec<(u64, u64)>,
    pub durations: Vec<Duration>,
    /// Frames that need none before them, in order, counted from 0; none: all.
    keys: Option<Vec<usize>>,
    /// Tracks that this one belongs to, by their numbers.
    references: Vec<(Name, u32)>,
}

impl Animation {
    /// The first track of colours, if there is one. No result where the boxes are wrong.
    pub fn read(mut moov: Bytes<'_>) -> Option<Option<Self>> {
        let mut tracks = Vec::new();
        while let Some((name, content)) = moov.next_box()? {
            if &name == b"trak" {
                tracks.extend(Track::read(Bytes(content))?);
            }
        }
        let is_auxiliary = |track: &Track| track.references.iter().any(|(kind, _)| kind == b"auxl");
        let Some(place) = tracks.iter().position(|track| !is_auxiliary(track)) else {
            return Some(None);
        };
        let color = tracks.swap_remove(place);
        let alpha = tracks
            .into_iter()
            .find(|track| track.references.contains(&(*b"auxl", color.id)));
        let prem = |alpha: &Track| color.references.contains(&(*b"prem", alpha.id));
        Some(Some(Self {
            is_premultiplied: alpha.as_ref().is_some_and(prem),
            color,
            alpha,
        }))
    }
}

impl Track {
    /// None of sound, or in another code than AV1.
    fn read(track: Bytes<'_>) -> Option<Option<Self>> {
        let media = track.child(b"mdia")?;
        let mut handler = media.child(b"hdlr")?;
        handler.number(8)?;
        if !matches!(&handler.name()?, b"pict" | b"vide" | b"auxv") {
            return Some(None);
        }
        let table = media.child(b"minf")?.child(b"stbl")?;
        let Some((size, properties)) = description(table.child(b"stsd")?)? else {
            return Some(None);
        };
        let frames = frames(table)?;
        let unit = {
            let mut head = after_dates(media.child(b"mdhd")?)?;
            f64::from(head.u32()?)
        };
        let mut durations = Vec::with_capacity(frames.len());
        for entry in entries(table.child(b"stts")?, [4, 4])? {
            let [count, time] = entry?;
            let seconds = time as f64 / unit;
            let duration = Duration::try_from_secs_f64(seconds).unwrap_or_default();
            let missing = frames.len() - durations.len();
            durations.extend((0..count).take(missing).map(|_| duration));
        }
        durations.resize(frames.len(), Duration::ZERO);
        let keys = match table.child(b"stss") {
            Some(keys) => {
                let key = |entry: Option<[u64; 1]>| (entry?[0] as usize).checked_sub(1);
                let mut keys = entries(keys, [4])?.map(key).collect::<Option<Vec<_>>>()?;
                keys.sort_unstable();
                Some(keys)
            }
            None => None,
        };
        let mut references = Vec::new();
        if let Some(mut all) = track.child(b"tref") {
            while let Some((kind, list)) = all.next_box()? {
                let ids = list.chunks_exact(4);
                references.extend(ids.filter_map(|id| Some((kind, Bytes(id).u32()?))));
            }
        }
        Some(Some(Self {
            id: after_dates(track.child(b"tkhd")?)?.u32()?,
            size,
            properties,
            frames,
            durations,
            keys,
            references,
        }))
    }

    /// Decodes a frame, and before it those that it needs and `playing` lacks. It is
    /// none of those that `playing` was asked for, and none before them.
    pub fn frame(
        &self,
        source: &mut Source,
        playing: &mut Option<Playing>,
        wanted: usize,
    ) -> Result<Frame, ImageProblem> {
        let key = match &self.keys {
            Some(keys) => {
                let after = keys.partition_point(|&key| key <= wanted);
                after.checked_sub(1).map(|place| keys[place])
            }
            None => Some(wanted),
        };
        let key = key.filter(|_| wanted < self.frames.len());
        let key = key.ok_or_else(wrong_header)?;
        let Playing {
            frames,
            bytes,
            progress,
            ..
        } = match playing {
            Some(playing) if playing.key == key => playing,
            _ => playing.insert(Playing {
                key,
                frames: Frames::new(self.size, 0)?,
                bytes: 0,
                progress: Progress::starting_at(key),
            }),
        };
        let available = length(source)?;
        progress.advance(wanted, |index| {
            let (offset, size) = self.frames[index];
            // The same bytes again and again would be more than there are.
            *bytes += size;
            if *bytes > available {
                return Err(wrong_header());
            }
            frames.decode(&read_at(source, offset, size)?)?;
            Ok(())
        })?;
        frames.last()
    }
}

/// A track as far as it is decoded.
pub struct Playing {
    /// The frame that it was begun at, which needs none before it.
    key: usize,
    frames: Frames,
    /// How many of the file were read.
    bytes: u64,
    progress: Progress,
}

/// What follows the dates of creation and change.
fn after_dates(mut head: Bytes<'_>) -> Option<Bytes<'_>> {
    let (version, _) = head.version()?;
    let bytes = if version == 1 { 8 } else { 4 };
    head.number(bytes)?;
    head.number(bytes)?;
    Some(head)
}

/// Width, height and properties of frames.
type Description = ([u32; 2], Vec<(Name, Vec<u8>)>);

/// How frames are stored; none where it is no AV1, or no colours or opacity.
fn description(mut descriptions: Bytes<'_>) -> Option<Option<Description>> {
    descriptions.version()?;
    let count = descriptions.u32()?;
    let (name, entry) = descriptions.next_box()??;
    if count != 1 || &name != b"av01" {
        return Some(None);
    }
    let mut entry = Bytes(entry);
    for _ in 0..3 {
        entry.number(8)?;
    }
    let size = [entry.number(2)? as u32, entry.number(2)? as u32];
    // Resolution, names and the like.
    let mut boxes = Bytes(entry.0.get(50..)?);
    let is_other = boxes
        .child(b"auxi")
        .is_some_and(|mut kind| kind.version().is_none() || !is_alpha(kind.text()));
    if is_other {
        return Some(None);
    }
    let mut properties = Vec::new();
    while let Some(Some((name, content))) = boxes.next_box() {
        if matches!(&name, b"colr" | b"clap" | b"irot" | b"imir") {
            properties.push((name, content.to_vec()));
        }
    }
    Some(Some((size, properties)))
}

/// Offset and length of each frame.
fn frames(table: Bytes<'_>) -> Option<Vec<(u64, u64)>> {
    let mut sizes = table.child(b"stsz")?;
    sizes.version()?;
    let (size, count) = (sizes.u32()?, sizes.u32()? as usize);
    if count > MOST {
        return None;
    }
    let chunks: Vec<u64> = match table.child(b"stco") {
        Some(chunks) => entries(chunks, [4])?
            .map(|entry| entry.map(|[offset]| offset))
            .collect::<Option<_>>()?,
        None => entries(table.child(b"co64")?, [8])?
            .map(|entry| entry.map(|[offset]| offset))
            .collect::<Option<_>>()?,
    };
    // From which chunk on, how many frames each has.
    let runs = entries(table.child(b"stsc")?, [4, 4, 4])?.collect::<Option<Vec<_>>>()?;
    let mut frames = Vec::with_capacity(count);
    for (number, run) in runs.iter().enumerate() {
        let start = run[0].checked_sub(1)? as usize;
        let end = match runs.get(number + 1) {
            Some(next) => next[0].checked_sub(1)? as usize,
            None => chunks.len(),
        };
        for &chunk in chunks.get(start..end)? {
            let mut at = chunk;
            for _ in 0..run[1] {
                if frames.len() == count {
                    return Some(frames);
                }
                let size = if size == 0 { sizes.u32()? } else { size };
                frames.push((at, size.into()));
                at = at.checked_add(size.into())?;
            }
        }
    }
    (frames.len() == count).then_some(frames)
}

/// The entries of a table, each of numbers of so many bytes.
fn entries<'a, const N: usize>(
    mut table: Bytes<'a>,
    bytes: [usize; N],
) -> Option<impl Iterator<Item = Option<[u64; N]>> + use<'a, N>> {
    table.version()?;
    let count = table.u32()?;
    Some((0..count).map(move |_| {
        let mut entry = [0; N];
        for (number, bytes) in entry.iter_mut().zip(bytes) {
            *number = table.number(bytes)?;
        }
        Some(entry)
    }))
}
