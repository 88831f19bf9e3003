// A workgroup's tile of a matrix product y = a w: TILE_PIXELS pixels by
// 4 * TILE_BLOCKS output channels, of which each invocation keeps EACH_PIXELS
// by EACH_BLOCKS vec4 of sums. Both factors pass through workgroup memory,
// 4 * TILE_DEPTH input channels at a time. An invocation's pixels and blocks
// lie apart by the number of invocations along that side, so that neighbours
// read and write neighbouring vec4.
//
// Parameters: TILE_PIXELS, TILE_BLOCKS, TILE_DEPTH, EACH_PIXELS, EACH_BLOCKS.

var<workgroup> a_tile: array<vec4<f32>, ${TILE_DEPTH * TILE_PIXELS}>; // (TILE_DEPTH, TILE_PIXELS)
var<workgroup> w_tile: array<vec4<f32>, ${TILE_DEPTH * 4 * TILE_BLOCKS}>; // (4 * TILE_DEPTH, TILE_BLOCKS)
