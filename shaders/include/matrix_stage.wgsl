            // Loads what an invocation of conv2d_matrix.wgsl stages, from block
            // `first` of input channels on.
            //: for i in range(STAGED)
            {
                //: if not REFLECT and KERNEL == 3
                let exists = inside_${i} && first + block_${i} < IN_BLOCKS;
                //: else
                let exists = first + block_${i} < IN_BLOCKS;
                //: endif
                let v = load(select(from_sample, from_${i} + first * in_plane, exists));
                next_${i} = select(vec4<f16>(), v, exists);
            }
            //: endfor
