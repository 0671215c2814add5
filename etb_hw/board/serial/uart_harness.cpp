// A board on a serial line, bit by bit, driven over pipes by whoever talks to the board.
//
// usage: harness CLOCKS SEED. Commands on standard input, numbers as 32 bits, low byte first:
//   W n bytes   put bytes on the line to the board; they go out as the clock runs
//   R n limit   run the clock until n bytes came from the board or limit cycles went by;
//               answers with their number and the bytes on standard output
//   X n         hold reset for n cycles          I n         run n cycles

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <vector>

#include "Vetb_sim.h"
#include "verilated.h"

namespace {

unsigned clocks = 16;
std::deque<uint8_t> to_board, from_board;

struct Sender {
  unsigned left = 0, bits = 0;
  uint32_t shift = 1;
  bool next() {
    if (bits == 0) {
      if (to_board.empty()) return true;
      shift = (uint32_t(to_board.front()) << 1) | 0x200u;
      to_board.pop_front();
      bits = 10;
      left = clocks;
    }
    const bool level = shift & 1u;
    if (--left == 0) left = clocks, shift >>= 1, --bits;
    return level;
  }
} sender;

struct Receiver {
  unsigned left = 0, bits = 0;
  uint32_t shift = 0;
  void see(bool level) {
    if (bits == 0) {
      if (!level) bits = 10, left = clocks / 2, shift = 0;
      return;
    }
    if (--left) return;
    left = clocks;
    shift |= uint32_t(level) << (10 - bits);
    if (--bits == 0 && (shift & 0x200u)) from_board.push_back(uint8_t(shift >> 1));
  }
} receiver;

uint32_t number() {
  uint8_t raw[4];
  if (std::fread(raw, 1, 4, stdin) != 4) std::exit(0);
  return raw[0] | uint32_t(raw[1]) << 8 | uint32_t(raw[2]) << 16 | uint32_t(raw[3]) << 24;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return 2;
  clocks = unsigned(std::atoi(argv[1]));
  VerilatedContext context;
  context.randReset(2);
  context.randSeed(std::atoi(argv[2]) | 1);
  Vetb_sim top(&context, "top");
  auto cycle = [&](bool reset) {
    top.rst = reset;
    top.rx = sender.next();
    top.clk = 0, top.eval();
    top.clk = 1, top.eval();
    receiver.see(top.tx);
  };
  for (int i = 0; i < 20; ++i) cycle(true);
  from_board.clear();
  receiver = Receiver();
  for (int command = std::getchar(); command != EOF; command = std::getchar()) {
    const uint32_t n = number();
    if (command == 'W') {
      for (uint32_t i = 0; i < n; ++i) to_board.push_back(uint8_t(std::getchar()));
    } else if (command == 'X') {
      for (uint32_t i = 0; i < n; ++i) cycle(true);
    } else if (command == 'I') {
      for (uint32_t i = 0; i < n; ++i) cycle(false);
    } else if (command == 'R') {
      uint32_t limit = number();
      while (from_board.size() < n && limit--) cycle(false);
      const uint32_t got = from_board.size() < n ? uint32_t(from_board.size()) : n;
      for (int i = 0; i < 4; ++i) std::putchar(int(got >> (8 * i)) & 255);
      for (uint32_t i = 0; i < got; ++i) std::putchar(from_board.front()), from_board.pop_front();
      std::fflush(stdout);
    }
  }
  top.final();
  return 0;
}
