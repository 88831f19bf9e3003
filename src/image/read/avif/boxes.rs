//! The container of AVIF files (ISO/IEC 14496-12, 23008-12): items, where their
//! bytes are, and what the file says about them.

use super::super::{HEADER_BYTES, Source, cut_off, length};
use super::bytes::{Bytes, Name, box_at, read_at, wrong_header};
use super::track::Animation;
use crate::image::ImageProblem;
use std::collections::BTreeMap;

/// A part of a file that is an image of its own, or says something about one.
#[derive(Debug, Default)]
pub struct Item {
    pub kind: Name,
    /// The MIME type, of an item of the type `mime`.
    pub content_type: Vec<u8>,
    place: Place,
    /// Numbers of properties, from 1.
    properties: Vec<Association>,
    references: Vec<(Name, Vec<u32>)>,
}

/// Where the bytes of an item are: offsets and lengths.
#[derive(Debug, Default)]
struct Place {
    method: u64,
    other_file: bool,
    extents: Vec<(u64, u64)>,
}

#[derive(Debug)]
struct Association {
    essential: bool,
    number: usize,
}

impl Item {
    /// The items that it refers to for some purpose.
    pub fn references(&self, kind: Name) -> &[u32] {
        let found = self.references.iter().find(|(name, _)| *name == kind);
        found.map_or(&[], |(_, items)| items)
    }
}

/// What a file holds.
#[derive(Debug, Default)]
pub struct Container {
    pub primary: u32,
    pub items: BTreeMap<u32, Item>,
    properties: Vec<(Name, Vec<u8>)>,
    /// Bytes of items that are kept in the header.
    data: Vec<u8>,
    pub animation: Option<Animation>,
    /// Whether there is an animation that cannot be read.
    pub has_wrong_tracks: bool,
    /// Whether there is no still image beside the animation; the primary item is the
    /// first frame then.
    pub is_animation_alone: bool,
    /// Whether the file ends before its last box.
    pub is_cut: bool,
}

impl Container {
    pub fn read(source: &mut Source) -> Result<Self, ImageProblem> {
        let mut container = Self::default();
        let length = length(source)?;
        let (mut at, mut found) = (0, false);
        while at < length {
            let Some((name, head, size)) = box_at(source, at, length)? else {
                container.is_cut = true;
                break;
            };
            let end = at.saturating_add(size);
            let is_cut = end > length;
            if &name == b"mini" {
                let what = "a minimized header (mini)";
                return Err(ImageProblem::Feature(what.to_owned()));
            }
            if (&name == b"meta" && !found) || &name == b"moov" {
                if is_cut {
                    return Err(cut_off());
                }
                if size > HEADER_BYTES {
                    return Err(ImageProblem::Memory);
                }
                let body = read_at(source, at + head, size - head)?;
                if &name == b"meta" {
                    found = true;
                    container.meta(&body).ok_or_else(wrong_header)?;
                } else {
                    let animation = Animation::read(Bytes(&body));
                    container.has_wrong_tracks |= animation.is_none();
                    container.animation = container.animation.or(animation.flatten());
                }
            }
            container.is_cut |= is_cut;
            at = end;
        }
        let has_still = found && (container.primary != 0 || container.animation.is_none());
        if !has_still && container.animation.is_some() {
            container.show_animation();
            return Ok(container);
        }
        match found {
            true => Ok(container),
            false if container.is_cut => Err(cut_off()),
            false if container.has_wrong_tracks => Err(wrong_header()),
            false => Err(ImageProblem::Feature(
                "no still image, but a video".to_owned(),
            )),
        }
    }

    /// Makes an item of the animation, in place of a still image.
    fn show_animation(&mut self) {
        let Some(animation) = &self.animation else {
            return;
        };
        let track = &animation.color;
        let size = track.size.map(u32::to_be_bytes);
        let extents = [&[0; 4][..], size.as_flattened()].concat();
        let first = self.properties.len() + 1;
        self.properties.push((*b"ispe", extents));
        self.properties.extend(track.properties.iter().cloned());
        let association = |number| Association {
            essential: false,
            number,
        };
        let item = Item {
            kind: *b"av01",
            properties: (first..=self.properties.len()).map(association).collect(),
            ..Item::default()
        };
        // No item in a file has this number.
        self.primary = 0;
        self.items.insert(0, item);
        self.is_animation_alone = true;
    }

    /// The animation, if it has several frames.
    pub fn several_frames(&self) -> Option<&Animation> {
        let animation = self.animation.as_ref();
        animation.filter(|animation| animation.color.durations.len() > 1)
    }

    fn meta(&mut self, body: &[u8]) -> Option<()> {
        let mut body = Bytes(body);
        body.number(4)?;
        while let Some((name, content)) = body.next_box()? {
            let mut content = Bytes(content);
            match &name {
                b"pitm" => {
                    let (version, _) = content.version()?;
                    self.primary = content.id(version > 0)?;
                }
                b"iinf" => self.infos(content)?,
                b"iloc" => self.places(content)?,
                b"iref" => self.all_references(content)?,
                b"iprp" => self.item_properties(content)?,
                b"idat" => self.data = content.0.to_vec(),
                _ => {}
            }
        }
        Some(())
    }

    fn item(&mut self, id: u32) -> &mut Item {
        self.items.entry(id).or_default()
    }

    fn infos(&mut self, mut content: Bytes<'_>) -> Option<()> {
        let (version, _) = content.version()?;
        content.number(if version == 0 { 2 } else { 4 })?;
        while let Some((name, info)) = content.next_box()? {
            let mut info = Bytes(info);
            let (version, _) = info.version()?;
            if &name != b"infe" || version < 2 {
                continue;
            }
            let id = info.id(version > 2)?;
            info.number(2)?;
            let kind = info.name()?;
            info.text();
            let item = self.item(id);
            item.kind = kind;
            if &kind == b"mime" {
                item.content_type = info.text().to_vec();
            }
        }
        Some(())
    }

    fn places(&mut self, mut content: Bytes<'_>) -> Option<()> {
        let (version, _) = content.version()?;
        let sizes = content.number(2)?;
        let size = |shift: u32| (sizes >> shift & 15) as usize;
        let index_size = if version == 0 { 0 } else { size(0) };
        let count = content.number(if version < 2 { 2 } else { 4 })?;
        for _ in 0..count {
            let id = content.id(version > 1)?;
            let method = if version == 0 { 0 } else { content.number(2)? };
            let other_file = content.number(2)? != 0;
            let base = content.number(size(4))?;
            let mut extents = Vec::new();
            for _ in 0..content.number(2)? {
                content.number(index_size)?;
                let offset = base.checked_add(content.number(size(12))?)?;
                extents.push((offset, content.number(size(8))?));
                // Extents of no bytes in the file would cost nothing but memory.
                if sizes & 0xff00 == 0 && extents.len() > 1 {
                    return None;
                }
            }
            self.item(id).place = Place {
                method: method & 15,
                other_file,
                extents,
            };
        }
        Some(())
    }

    fn all_references(&mut self, mut content: Bytes<'_>) -> Option<()> {
        let (version, _) = content.version()?;
        while let Some((kind, list)) = content.next_box()? {
            let mut list = Bytes(list);
            let from = list.id(version > 0)?;
            let count = list.number(2)?;
            let to = (0..count).map(|_| list.id(version > 0));
            let to = to.collect::<Option<Vec<u32>>>()?;
            self.item(from).references.push((kind, to));
        }
        Some(())
    }

    fn item_properties(&mut self, mut content: Bytes<'_>) -> Option<()> {
        while let Some((name, part)) = content.next_box()? {
            let mut part = Bytes(part);
            match &name {
                b"ipco" => {
                    while let Some((name, property)) = part.next_box()? {
                        self.properties.push((name, property.to_vec()));
                    }
                }
                b"ipma" => {
                    let (version, flags) = part.version()?;
                    for _ in 0..part.number(4)? {
                        let id = part.id(version > 0)?;
                        for _ in 0..part.number(1)? {
                            let bytes = if flags & 1 == 0 { 1 } else { 2 };
                            let value = part.number(bytes)?;
                            let essential = 1 << (8 * bytes - 1);
                            self.item(id).properties.push(Association {
                                essential: value & essential != 0,
                                number: (value & (essential - 1)) as usize,
                            });
                        }
                    }
                }
                _ => {}
            }
        }
        Some(())
    }

    fn properties_of<'a>(&'a self, item: &'a Item) -> impl Iterator<Item = (bool, Name, &'a [u8])> {
        item.properties.iter().filter_map(|association| {
            let (name, content) = self.properties.get(association.number.checked_sub(1)?)?;
            Some((association.essential, *name, &content[..]))
        })
    }

    /// What an item's properties of one kind hold.
    pub fn properties<'a>(&'a self, item: &'a Item, kind: Name) -> impl Iterator<Item = Bytes<'a>> {
        let all = self.properties_of(item);
        all.filter(move |&(_, name, _)| name == kind)
            .map(|(_, _, content)| Bytes(content))
    }

    /// Refuses an item that cannot be shown without something that is not known.
    pub fn check_essential(&self, item: &Item) -> Result<(), ImageProblem> {
        const KNOWN: [&Name; 15] = [
            b"av1C", b"ispe", b"pixi", b"colr", b"auxC", b"irot", b"imir", b"clap", b"pasp",
            b"a1op", b"a1lx", b"lsel", b"clli", b"mdcv", b"cclv",
        ];
        let mut all = self.properties_of(item);
        match all.find(|(essential, name, _)| *essential && !KNOWN.contains(&name)) {
            None => Ok(()),
            Some((_, name, _)) => {
                let name = String::from_utf8_lossy(&name).into_owned();
                Err(ImageProblem::Feature(format!("the AVIF property {name}")))
            }
        }
    }

    /// The bytes of an item.
    pub fn content(&self, source: &mut Source, item: &Item) -> Result<Vec<u8>, ImageProblem> {
        let place = &item.place;
        if place.other_file || place.method > 1 {
            let what = "data that is in another file or item";
            return Err(ImageProblem::Feature(what.to_owned()));
        }
        let available = match place.method {
            0 => length(source)?,
            _ => self.data.len() as u64,
        };
        let mut content = Vec::new();
        for &(offset, size) in &place.extents {
            let rest = available.checked_sub(offset).ok_or_else(cut_off)?;
            let size = if size == 0 { rest } else { size };
            if size > rest {
                return Err(cut_off());
            }
            // The same bytes again and again would be more than there are.
            if content.len() as u64 + size > available {
                return Err(wrong_header());
            }
            match place.method {
                0 => content.extend(read_at(source, offset, size)?),
                _ => content.extend(&self.data[offset as usize..][..size as usize]),
            }
        }
        Ok(content)
    }
}
