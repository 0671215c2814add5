// A Zynq around the accelerator: an AXI4-Lite master, an AXI DMA in simple mode and memory, driven over pipes.
//
// usage: harness SEED. Commands on standard input; numbers are 32 bits, low byte first. Registers lie at their
// offset for the accelerator, and at 10000 (hex) and their offset for the DMA (AMD PG021).
//   r address          read a register; answers with 4 bytes     w address value    write a register
//   A n                n bytes of memory; answers with their address, 8 bytes
//   P address(8) n bytes   put bytes there      G address(8) n     answers with bytes from there
//   S in out           how often the streams hold back, in 1/256
//   T how              the DMA ends packets: 0 with TLAST, 1 not at all
//   D n                the n-th word of weights from now on arrives with one bit wrong
//   X n                hold reset for n cycles  I n                run n cycles
//   O                  etb_open of the C driver; answers with its result
//   C n bytes          etb_infer of the C driver on n frames; answers with its result and the frames out
//   L n bytes          etb_load of the C driver on a file of n bytes; answers with its result
//   K                  etb_weights_crc of the C driver; answers with its result and the checksum
// It ends with 4 where the accelerator breaks a rule of its buses, and says which on standard error.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "Vetb_sim.h"
#include "verilated.h"

#define ETB_OWN_IO
#define ETB_PATIENCE 100000u
// the package's C driver, as it is
//@DRIVER@

namespace {

constexpr unsigned DMA = 0x10000, POLL = 40;  // cycles that pass with an access
std::unique_ptr<Vetb_sim> top;
std::vector<std::unique_ptr<std::vector<uint8_t>>> memory;
uint64_t state = 1;

unsigned random_byte() {
  state ^= state << 13, state ^= state >> 7, state ^= state << 17;
  return unsigned(state >> 24) & 255;
}

[[noreturn]] void broken(const char* what) {
  std::fprintf(stderr, "the accelerator %s\n", what);
  std::exit(4);
}

struct Channel {
  uint32_t control = 0, length = 0, errors = 0, done = 0;
  uint64_t address = 0;
  bool active = false, idle = false;
  uint32_t status() const { return (control & 1 ? 0 : 1) | (idle ? 2 : 0) | errors; }
  void reset() { *this = Channel(); }
  void write(unsigned offset, uint32_t value) {
    if (offset == 0x00) control = value & 1;
    if (offset == 0x18) address = (address & ~uint64_t(0xFFFFFFFF)) | value;
    if (offset == 0x1C) address = (address & 0xFFFFFFFF) | (uint64_t(value) << 32);
    if (offset == 0x28 && (control & 1) && !active && value)
      length = value & 0x3FFFFFF, done = 0, active = true, idle = false;
  }
  uint32_t read(unsigned offset) const {
    if (offset == 0x00) return control;
    if (offset == 0x04) return status();
    if (offset == 0x28) return length;
    return 0;
  }
} sending, receiving;

unsigned stall_in = 0, stall_out = 0, no_last = 0, damaged = 0;
bool offered = false, waiting = false;
uint64_t waiting_data = 0;
bool waiting_last = false;
unsigned soft_reset = 0;  // cycles in which a soft reset may withdraw what was offered

void cycle(bool reset = false) {
  const unsigned in_size = ETB_IN_BUS, out_size = ETB_OUT_BUS;
  top->aresetn = !reset;
  if (reset) sending.reset(), receiving.reset(), offered = waiting = false;
  // memory to stream: what is offered stays until it is taken
  if (sending.active && !offered && random_byte() >= stall_in) offered = true;
  if (!sending.active) offered = false;
  top->s_axis_tvalid = offered;
  if (offered) {
    const uint32_t left = sending.length - sending.done, size = left < in_size ? left : in_size;
    uint64_t data = 0;
    std::memcpy(&data, reinterpret_cast<const uint8_t*>(sending.address) + sending.done, size);
    top->s_axis_tdata = decltype(top->s_axis_tdata)(data);
    top->s_axis_tkeep = uint8_t((1u << size) - 1);
    top->s_axis_tlast = left <= in_size && !no_last;
  }
  top->m_axis_tready = receiving.active && random_byte() >= stall_out;
  top->aclk = 0, top->eval();
  const bool sent = offered && top->s_axis_tready;
  const bool valid = top->m_axis_tvalid;
  const bool received = valid && top->m_axis_tready;
  if (reset && (valid || top->s_axi_bvalid || top->s_axi_rvalid)) broken("offers something during reset");
  if (soft_reset) --soft_reset, waiting = false;
  if (waiting && (!valid || waiting_data != top->m_axis_tdata || waiting_last != top->m_axis_tlast))
    broken("withdrew or changed a word that was offered");
  waiting = valid && !received, waiting_data = top->m_axis_tdata, waiting_last = top->m_axis_tlast;
  if (valid && top->m_axis_tkeep != (1u << out_size) - 1) broken("left bytes of a word out");
  if (received) {
    const uint64_t data = top->m_axis_tdata;
    if (receiving.done + out_size > receiving.length) {
      receiving.errors |= 0x10, receiving.active = false, receiving.control = 0;
    } else {
      std::memcpy(reinterpret_cast<uint8_t*>(receiving.address) + receiving.done, &data, out_size);
      receiving.done += out_size;
      if (top->m_axis_tlast) receiving.length = receiving.done, receiving.active = false, receiving.idle = true;
    }
  }
  if (sent) {
    offered = false;
    sending.done += in_size;
    if (sending.done >= sending.length) sending.active = false, sending.idle = true;
  }
  top->aclk = 1, top->eval();
}

void lite_write(uint32_t address, uint32_t value) {
  if (address == 0x44 && damaged && --damaged == 0) value ^= 16;
  if ((address == 0x0C && (value & 2)) || address == 0x40) soft_reset = 60;
  top->s_axi_awaddr = address & 0x7F, top->s_axi_wdata = value, top->s_axi_wstrb = 15;
  unsigned wait_address = random_byte() & 3, wait_value = random_byte() & 3, left = 1000;
  bool address_done = false, value_done = false, answered = false;
  while (!answered && left--) {
    top->s_axi_awvalid = !address_done && !wait_address;
    top->s_axi_wvalid = !value_done && !wait_value;
    top->s_axi_bready = address_done && value_done && (random_byte() & 1);
    top->aclk = 0, top->eval();
    const bool a = top->s_axi_awvalid && top->s_axi_awready, v = top->s_axi_wvalid && top->s_axi_wready;
    const bool b = top->s_axi_bvalid && top->s_axi_bready;
    if (top->s_axi_bvalid && !(address_done && value_done)) broken("answered a write before it came");
    cycle();
    address_done |= a, value_done |= v, answered |= b;
    if (wait_address) --wait_address;
    if (wait_value) --wait_value;
  }
  top->s_axi_awvalid = top->s_axi_wvalid = top->s_axi_bready = 0;
  if (!answered) broken("does not answer a write to its registers");
}

uint32_t lite_read(uint32_t address) {
  top->s_axi_araddr = address & 0x7F;
  unsigned left = 1000;
  uint32_t value = 0;
  bool asked = false, answered = false;
  while (!answered && left--) {
    top->s_axi_arvalid = !asked;
    top->s_axi_rready = asked && (random_byte() & 1);
    top->aclk = 0, top->eval();
    const bool a = top->s_axi_arvalid && top->s_axi_arready, r = top->s_axi_rvalid && top->s_axi_rready;
    if (r) value = top->s_axi_rdata;
    cycle();
    asked |= a, answered |= r;
  }
  top->s_axi_arvalid = top->s_axi_rready = 0;
  if (!answered) broken("does not answer a read of its registers");
  return value;
}

uint32_t bus_read(uint32_t address) {
  for (unsigned i = 0; i < POLL; ++i) cycle();
  if (address < DMA) return lite_read(address);
  const unsigned offset = address - DMA;
  return offset < 0x30 ? sending.read(offset) : receiving.read(offset - 0x30);
}

void bus_write(uint32_t address, uint32_t value) {
  if (address < DMA) return lite_write(address, value);
  const unsigned offset = address - DMA;
  if ((offset == 0x00 || offset == 0x30) && (value & 4))  // either channel's reset resets both
    sending.reset(), receiving.reset(), offered = waiting = false;
  else if (offset < 0x30) sending.write(offset, value);
  else receiving.write(offset - 0x30, value);
  for (unsigned i = 0; i < POLL; ++i) cycle();
}

uint32_t number() {
  uint8_t raw[4];
  if (std::fread(raw, 1, 4, stdin) != 4) std::exit(0);
  return raw[0] | uint32_t(raw[1]) << 8 | uint32_t(raw[2]) << 16 | uint32_t(raw[3]) << 24;
}
uint64_t number8() {
  const uint64_t low = number();
  return low | uint64_t(number()) << 32;
}
void answer(uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) std::putchar(int(value >> (8 * i)) & 255);
}

}  // namespace

uint32_t etb_read32(uintptr_t address) { return bus_read(uint32_t(address)); }
void etb_write32(uintptr_t address, uint32_t value) { bus_write(uint32_t(address), value); }
void etb_flush(const void*, size_t) {}
void etb_invalidate(void*, size_t) {}

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  VerilatedContext context;
  context.randReset(2);
  context.randSeed(std::atoi(argv[1]) | 1);
  state = uint64_t(std::atoi(argv[1])) * 0x9E3779B97F4A7C15ull + 1;
  top = std::make_unique<Vetb_sim>(&context, "top");
  top->s_axi_awvalid = top->s_axi_wvalid = top->s_axi_bready = top->s_axi_arvalid = top->s_axi_rready = 0;
  for (int i = 0; i < 20; ++i) cycle(true);
  struct etb_accelerator driver {};
  for (int command = std::getchar(); command != EOF; command = std::getchar()) {
    if (command == 'r') {
      answer(bus_read(number()), 4);
    } else if (command == 'w') {
      const uint32_t address = number();
      bus_write(address, number());
    } else if (command == 'A') {
      memory.push_back(std::make_unique<std::vector<uint8_t>>(number() + 64));
      answer(reinterpret_cast<uintptr_t>(memory.back()->data()), 8);
    } else if (command == 'P' || command == 'G') {
      uint8_t* const data = reinterpret_cast<uint8_t*>(number8());
      const uint32_t n = number();
      if (command == 'P' && std::fread(data, 1, n, stdin) != n) return 0;
      if (command == 'G') std::fwrite(data, 1, n, stdout);
    } else if (command == 'S') {
      stall_in = number(), stall_out = number();
    } else if (command == 'T') {
      no_last = number();
    } else if (command == 'D') {
      damaged = number();
    } else if (command == 'X') {
      for (uint32_t n = number(); n; --n) cycle(true);
    } else if (command == 'I') {
      for (uint32_t n = number(); n; --n) cycle();
    } else if (command == 'O') {
      answer(uint32_t(etb_open(&driver, 0, DMA)), 4);
    } else if (command == 'C') {
      const uint32_t n = number();
      std::vector<uint8_t> in(size_t(n) * ETB_IN_BYTES + 8), out(size_t(n) * ETB_OUT_BYTES + 8);
      if (std::fread(in.data(), 1, n * ETB_IN_BYTES, stdin) != n * ETB_IN_BYTES) return 0;
      answer(uint32_t(etb_infer(&driver, in.data(), out.data(), n)), 4);
      std::fwrite(out.data(), 1, n * ETB_OUT_BYTES, stdout);
    } else if (command == 'L') {
      std::vector<uint8_t> file(number());
      if (std::fread(file.data(), 1, file.size(), stdin) != file.size()) return 0;
      answer(uint32_t(etb_load(&driver, file.data(), file.size())), 4);
    } else if (command == 'K') {
      uint32_t crc = 0;
      answer(uint32_t(etb_weights_crc(&driver, &crc)), 4);
      answer(crc, 4);
    }
    std::fflush(stdout);
  }
  top->final();
  return 0;
}
