//! Upscaling pictures: the library's own interface.

mod parameters;
