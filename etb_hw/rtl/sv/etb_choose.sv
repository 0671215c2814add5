// One of COUNT words, by a tree: pairs, pairs of pairs, as deep as `place` has bits. A chain of conditions, which is
// what an index into a vector becomes in some tools, is as deep as there are words.
module etb_choose #(
    parameter int WIDTH = 8,
    parameter int COUNT = 4,
    parameter int PB    = COUNT > 1 ? $clog2(COUNT) : 1
) (
    input  logic [         PB-1:0] place,
    input  logic [COUNT*WIDTH-1:0] words,
    output logic [      WIDTH-1:0] y
);
  logic [(1<<PB)*WIDTH-1:0] tree;
  always_comb begin
    tree = '0;
    tree[COUNT*WIDTH-1:0] = words;
    for (int b = 0; b < PB; b++)
      for (int p = 0; p < (1 << (PB - 1 - b)); p++)
        tree[p*WIDTH+:WIDTH] = place[b] ? tree[(2*p+1)*WIDTH+:WIDTH] : tree[2*p*WIDTH+:WIDTH];
    y = tree[WIDTH-1:0];
  end
endmodule
