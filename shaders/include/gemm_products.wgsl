            // Adds to sum_b_r the products of what is staged; `pixel` and
            // `block` are the invocation's place in the tile.
            //: for d in range(TILE_DEPTH)
            {
                //: for r in range(EACH_PIXELS)
                let a_${r} = a_tile[pixel + ${d * TILE_PIXELS + r * (TILE_PIXELS // EACH_PIXELS)}u];
                //: endfor
                //: for l in range(4)
                {
                    //: for b in range(EACH_BLOCKS)
                    let w_${b} = w_tile[block + ${(4 * d + l) * TILE_BLOCKS + b * (TILE_BLOCKS // EACH_BLOCKS)}u];
                    //: endfor
                    //: for b in range(EACH_BLOCKS)
                    //: for r in range(EACH_PIXELS)
                    sum_${b}_${r} = fma(w_${b}, vec4<f32>(a_${r}.${["x", "y", "z", "w"][l]}), sum_${b}_${r});
                    //: endfor
                    //: endfor
                }
                //: endfor
            }
            //: endfor
