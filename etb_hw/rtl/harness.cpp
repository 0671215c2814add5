// Clocks a Verilator model whose ports are valid/ready streams, at full speed or with random stalls.
//
// usage: harness JOB. The job is a text file:
//   seed S / idle N / reset C        random seed; give up after N cycles without a beat; pulse rst at cycle C
//   silent                           outputs must offer nothing while rst is held, from its first cycle on
//   in  FILE BEATS FRAME STALL       one line an input: beats as 32-bit words, beats a frame, stall in 1/256
//   out FILE BEATS FRAME STALL MORE  one line an output: how many beats to wait for; MORE = 1: more may wait
//   tap FILE FRAME                   one line a tap: every beat that passes is written to the file
// Prints one line a fact; the driver reads them.
//
// ports.inc, written by the driver, declares the ports of the model.

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "Vetb_sim.h"
#include "verilated.h"

namespace {

using Words = std::vector<uint32_t>;

struct Port {
  std::function<void(bool)> flag_out;   // input: valid; output: ready
  std::function<bool()> flag_in;        // input: ready; output and tap: valid
  std::function<void(const uint32_t*)> put;
  std::function<void(uint32_t*)> get;
  int words = 0;

  std::string file;
  size_t beats = 0, frame = 1, done = 0;
  unsigned stall = 0, more = 0;
  bool offered = false;                 // a beat that was offered stays until it is taken
  bool pending = false;                 // the model offered a beat that we have not taken
  bool ready = false;                   // whether we take it in this cycle
  Words data, last;
  std::vector<uint64_t> times;          // input: first beat of each frame; output: last beat of each frame
};

template <typename T> void put_word(T& to, const uint32_t* from) {
  if (sizeof(T) > 4) to = T(from[0]) | T(uint64_t(from[1]) << 32); else to = T(from[0]);
}
template <std::size_t N> void put_word(VlWide<N>& to, const uint32_t* from) {
  for (std::size_t i = 0; i < N; ++i) to[i] = from[i];
}
template <typename T> void get_word(const T& from, uint32_t* to) {
  to[0] = uint32_t(from);
  if (sizeof(T) > 4) to[1] = uint32_t(uint64_t(from) >> 32);
}
template <std::size_t N> void get_word(const VlWide<N>& from, uint32_t* to) {
  for (std::size_t i = 0; i < N; ++i) to[i] = from[i];
}

struct Random {
  uint64_t state;
  unsigned byte() {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return unsigned(state >> 24) & 255;
  }
};

std::vector<Port> inputs, outputs, taps;

template <typename V, typename R, typename D> void input(V& valid, R& ready, D& data, int words) {
  Port p;
  p.flag_out = [&valid](bool on) { valid = on; };
  p.flag_in = [&ready]() { return bool(ready); };
  p.put = [&data](const uint32_t* from) { put_word(data, from); };
  p.words = words;
  inputs.push_back(p);
}
template <typename V, typename R, typename D> void output(V& valid, R& ready, D& data, int words) {
  Port p;
  p.flag_out = [&ready](bool on) { ready = on; };
  p.flag_in = [&valid]() { return bool(valid); };
  p.get = [&data](uint32_t* to) { get_word(data, to); };
  p.words = words;
  outputs.push_back(p);
}
template <typename V, typename D> void tap(V& fire, D& data, int words) {
  Port p;
  p.flag_in = [&fire]() { return bool(fire); };
  p.get = [&data](uint32_t* to) { get_word(data, to); };
  p.words = words;
  taps.push_back(p);
}

void bind(Vetb_sim& top) {
#include "ports.inc"
}

void write(const Port& p) {
  std::ofstream f(p.file, std::ios::binary);
  f.write(reinterpret_cast<const char*>(p.data.data()), std::streamsize(p.data.size() * 4));
}

void print_times(const char* kind, size_t i, const Port& p) {
  std::cout << kind << ' ' << i;
  for (uint64_t t : p.times) std::cout << ' ' << t;
  std::cout << '\n';
}

int fail(const std::string& reason) {
  std::cout << "fail " << reason << '\n';
  for (const Port& p : outputs) write(p);
  for (const Port& p : taps) write(p);
  for (size_t i = 0; i < inputs.size(); ++i)
    std::cout << "taken " << i << ' ' << inputs[i].done << " of " << inputs[i].beats << '\n';
  for (size_t i = 0; i < outputs.size(); ++i)
    std::cout << "given " << i << ' ' << outputs[i].done << " of " << outputs[i].beats << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  uint64_t seed = 1, idle_limit = 100000;
  int64_t reset_at = -1;
  bool silent = false;

  VerilatedContext context;
  std::ifstream job(argv[1]);
  std::vector<std::string> lines;
  for (std::string line; std::getline(job, line);) {
    lines.push_back(line);
    std::istringstream s(line);
    std::string key;
    s >> key;
    if (key == "seed") s >> seed;
    if (key == "idle") s >> idle_limit;
    if (key == "reset") s >> reset_at;
    if (key == "silent") silent = true;
  }
  // registers that nobody resets start at random, so that a forgotten reset shows
  context.randReset(2);
  context.randSeed(int(seed & 0x7fffffff) | 1);
  Vetb_sim top(&context, "top");
  bind(top);

  size_t in = 0, out = 0, tapped = 0;
  for (const std::string& line : lines) {
    std::istringstream s(line);
    std::string key;
    s >> key;
    if (key == "in") {
      Port& p = inputs.at(in++);
      s >> p.file >> p.beats >> p.frame >> p.stall;
      p.data.resize(p.beats * size_t(p.words));
      std::ifstream f(p.file, std::ios::binary);
      f.read(reinterpret_cast<char*>(p.data.data()), std::streamsize(p.data.size() * 4));
      if (!f) return 3;
    } else if (key == "out") {
      Port& p = outputs.at(out++);
      s >> p.file >> p.beats >> p.frame >> p.stall >> p.more;
      p.last.resize(size_t(p.words));
    } else if (key == "tap") {
      Port& p = taps.at(tapped++);
      s >> p.file >> p.frame;
    }
  }

  Random random{seed * 0x9E3779B97F4A7C15ull + 1};
  auto reset = [&]() {
    top.rst = 1;
    for (Port& p : inputs) p.flag_out(false), p.offered = false, p.done = 0, p.times.clear();
    for (Port& p : outputs) p.flag_out(false), p.pending = false, p.done = 0, p.times.clear(), p.data.clear();
    for (Port& p : taps) p.data.clear();
    bool spoke = false;
    for (int i = 0; i < 3; ++i) {
      top.clk = 0, top.eval();
      for (const Port& p : outputs) spoke |= p.flag_in();
      top.clk = 1, top.eval();
    }
    top.rst = 0;
    return !(silent && spoke);
  };
  if (!reset()) return fail("an output offers a beat during reset");

  uint64_t cycle = 0, idle = 0, surplus = 0;
  for (;; ++cycle) {
    if (int64_t(cycle) == reset_at && !reset()) return fail("an output offers a beat during reset");
    for (Port& p : inputs) {
      if (!p.offered && p.done < p.beats && random.byte() >= p.stall) {
        p.offered = true;
        p.put(&p.data[p.done * size_t(p.words)]);
      }
      p.flag_out(p.offered);
    }
    for (Port& p : outputs) {
      p.ready = random.byte() >= p.stall && !(p.more && p.done == p.beats);
      p.flag_out(p.ready);
    }
    top.clk = 0;
    top.eval();

    bool moved = false, finished = true;
    for (Port& p : inputs) {
      if (p.offered && p.flag_in()) {
        if (p.done % p.frame == 0) p.times.push_back(cycle);
        ++p.done, p.offered = false, moved = true;
      }
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      Port& p = outputs[i];
      const bool valid = p.flag_in();
      if (p.pending && !valid) return fail("output " + std::to_string(i) + " withdrew a beat");
      if (valid) {
        Words now(size_t(p.words));
        p.get(now.data());
        if (p.pending && now != p.last) return fail("output " + std::to_string(i) + " changed a waiting beat");
        p.last = now;
        p.pending = true;
      }
    }
    for (Port& p : taps)
      if (p.flag_in()) {
        Words now(size_t(p.words));
        p.get(now.data());
        p.data.insert(p.data.end(), now.begin(), now.end());
      }
    for (size_t i = 0; i < outputs.size(); ++i) {
      Port& p = outputs[i];
      if (p.pending && p.ready) {
        p.pending = false, moved = true;
        if (p.done == p.beats) return fail("output " + std::to_string(i) + " gave a beat too many");
        p.data.insert(p.data.end(), p.last.begin(), p.last.end());
        if (++p.done % p.frame == 0) p.times.push_back(cycle);
      }
      finished = finished && p.done == p.beats;
    }
    top.clk = 1;
    top.eval();
    idle = moved ? 0 : idle + 1;
    if (finished && ++surplus > 64) break;  // a little longer: nothing more may come
    if (!finished && idle > idle_limit) return fail("no beat moved for " + std::to_string(idle) + " cycles");
  }

  std::cout << "cycles " << cycle << '\n';
  for (size_t i = 0; i < inputs.size(); ++i) print_times("in", i, inputs[i]);
  for (size_t i = 0; i < outputs.size(); ++i) print_times("out", i, outputs[i]), write(outputs[i]);
  for (const Port& p : taps) write(p);
  top.final();
  std::cout << "done\n";
  return 0;
}
