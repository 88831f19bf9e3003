    // The members of a kernel's struct `dims` that epilogue.wgsl reads.
    //: if TABLE
    table_offset: u32,
    table_batch: u32, // vec4 of a row
    //: endif
    //: for i in range(RESIDUALS)
    residual_${i}_offset: u32,
    residual_${i}_batch: u32,
    //: endfor
    y_offset: u32,
    y_batch: u32,
