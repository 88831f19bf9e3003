    // The members of a kernel's struct `dims` that say which tiles it is about:
    // those in some rows of tiles, counted through all samples.
    tile_rows: u32, // of a sample
    tile_columns: u32,
    first_row: u32,
    tiles: u32,
    pitch: u32, // tiles that the arrays have room for, a multiple of 64
