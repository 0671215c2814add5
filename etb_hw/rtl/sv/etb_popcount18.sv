// How many of 18 bit pairs agree: 22 LUT6. Three pairs are six inputs, so each triple takes two LUTs (sum and
// carry); six sums and six carries are counted by three LUTs each; the two counts are five varying inputs.
// count = low + 2 * high.
module etb_popcount18 (
    input  logic [17:0] x,
    input  logic [17:0] w,
    output logic [ 2:0] low,
    output logic [ 2:0] high,
    output logic [ 4:0] count
);
  logic [5:0] ones, twos;
  for (genvar g = 0; g < 6; g++) begin : g_triple
    logic [2:0] m;
    assign m = x[3*g+:3] ~^ w[3*g+:3];
    assign ones[g] = ^m;
    assign twos[g] = (m[0] & m[1]) | (m[0] & m[2]) | (m[1] & m[2]);
  end

  function automatic logic [2:0] count6(input logic [5:0] v);
    count6 = {2'b0, v[0]} + {2'b0, v[1]} + {2'b0, v[2]} + {2'b0, v[3]} + {2'b0, v[4]} + {2'b0, v[5]};
  endfunction

  assign low   = count6(ones);
  assign high  = count6(twos);
  assign count = {2'b0, low} + {1'b0, high, 1'b0};
endmodule
