//! Pictures: codecs, colour, bicubic resampling, quality metrics.
