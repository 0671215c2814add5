#include "etb_accelerator.h"

#include "etb_design.h"

#ifndef ETB_PATIENCE
#define ETB_PATIENCE 100000000u /* polls: seconds */
#endif

enum {
  IDENTITY = 0x00, BUILD_LOW = 0x04, BUILD_HIGH = 0x08, CONTROL = 0x0C, STATUS = 0x10, PACKET = 0x14,
  COUNTS = 0x18, LOAD = 0x40, LOAD_WORD = 0x44, LOAD_CRC = 0x48,
  START = 1, SOFT_RESET = 2, IN_RESET = 2,
  LOAD_OPEN = 1, LOAD_CHECK = 2, LOAD_CLOSE = 4, /* written */
  LOAD_OPENED = 1, LOAD_BUSY = 2,                /* read */
  /* AXI DMA: offsets of a channel's registers */
  SEND = 0x00, RECEIVE = 0x30,
  DMA_CONTROL = 0x00, DMA_STATUS = 0x04, DMA_ADDRESS = 0x18, DMA_ADDRESS_HIGH = 0x1C, DMA_LENGTH = 0x28,
  DMA_RUN = 1, DMA_RESET = 4, DMA_IDLE = 2, DMA_ERRORS = 0x70
};

static int wait_for_zero(uintptr_t address, uint32_t mask) {
  uint32_t left;
  for (left = ETB_PATIENCE; left; --left)
    if (!(etb_read32(address) & mask)) return ETB_OK;
  return ETB_TIMEOUT;
}

static int incomplete(const struct etb_accelerator *a) {
  return (etb_read32(a->registers + LOAD) & LOAD_OPENED) != 0;
}

static void start(uintptr_t channel, const void *data, uint32_t size) {
  const uint64_t address = (uint64_t)(uintptr_t)data;
  etb_write32(channel + DMA_ADDRESS, (uint32_t)address);
  etb_write32(channel + DMA_ADDRESS_HIGH, (uint32_t)(address >> 32));
  etb_write32(channel + DMA_LENGTH, size);
}

static int finish(const struct etb_accelerator *a, uint32_t expected) {
  uint32_t left;
  for (left = ETB_PATIENCE; left; --left) {
    const uint32_t sent = etb_read32(a->dma + SEND + DMA_STATUS);
    const uint32_t received = etb_read32(a->dma + RECEIVE + DMA_STATUS);
    if ((sent | received) & DMA_ERRORS) return ETB_DMA_ERROR;
    if (sent & received & DMA_IDLE)
      return etb_read32(a->dma + RECEIVE + DMA_LENGTH) == expected ? ETB_OK : ETB_WRONG_LENGTH;
  }
  return ETB_TIMEOUT;
}

struct etb_counts etb_read_counts(const struct etb_accelerator *a) {
  struct etb_counts c;
  c.frames_in = etb_read32(a->registers + COUNTS);
  c.frames_out = etb_read32(a->registers + COUNTS + 4);
  c.input_waited = etb_read32(a->registers + COUNTS + 8);
  c.output_waited = etb_read32(a->registers + COUNTS + 12);
  c.ended_early = etb_read32(a->registers + COUNTS + 16);
  c.no_end = etb_read32(a->registers + COUNTS + 20);
  c.odd_keep = etb_read32(a->registers + COUNTS + 24);
  c.busy = etb_read32(a->registers + COUNTS + 28);
  return c;
}

int etb_reset(const struct etb_accelerator *a) {
  etb_write32(a->dma + SEND + DMA_CONTROL, DMA_RESET);
  if (wait_for_zero(a->dma + SEND + DMA_CONTROL, DMA_RESET)) return ETB_TIMEOUT;
  if (wait_for_zero(a->dma + RECEIVE + DMA_CONTROL, DMA_RESET)) return ETB_TIMEOUT;
  etb_write32(a->registers + CONTROL, SOFT_RESET);
  /* half of a network is held in reset: only loading a whole one ends that */
  if (!incomplete(a) && wait_for_zero(a->registers + STATUS, IN_RESET)) return ETB_TIMEOUT;
  etb_write32(a->registers + CONTROL, START);
  etb_write32(a->dma + SEND + DMA_CONTROL, DMA_RUN);
  etb_write32(a->dma + RECEIVE + DMA_CONTROL, DMA_RUN);
  return ETB_OK;
}

int etb_open(struct etb_accelerator *a, uintptr_t registers, uintptr_t dma) {
  a->registers = registers;
  a->dma = dma;
  if (etb_read32(registers + IDENTITY) != 0x45544231u) return ETB_NO_ACCELERATOR;
  if (etb_read32(registers + BUILD_LOW) != ETB_BUILD_LOW) return ETB_OTHER_BUILD;
  if (etb_read32(registers + BUILD_HIGH) != ETB_BUILD_HIGH) return ETB_OTHER_BUILD;
  return etb_reset(a);
}

int etb_infer(const struct etb_accelerator *a, const void *in, void *out, uint32_t frames) {
  struct etb_counts before, after;
  uint32_t size_in, size_out;
  int status;
  if (frames == 0) return ETB_OK;
  if (frames > 65535u || frames > 0x3FFFFFFu / ETB_IN_BYTES || frames > 0x3FFFFFFu / ETB_OUT_BYTES)
    return ETB_TOO_MANY;
  if (incomplete(a)) return ETB_INCOMPLETE;
  size_in = frames * ETB_IN_BYTES;
  size_out = frames * ETB_OUT_BYTES;
  before = etb_read_counts(a);
  etb_write32(a->registers + PACKET, frames);
  if (etb_read32(a->registers + PACKET) != frames) {
    etb_reset(a);
    return ETB_BUSY;
  }
  etb_flush(in, size_in);
  etb_invalidate(out, size_out);
  start(a->dma + RECEIVE, out, size_out);
  start(a->dma + SEND, in, size_in);
  status = finish(a, size_out);
  after = etb_read_counts(a);
  if (status == ETB_OK && (after.ended_early != before.ended_early || after.no_end != before.no_end ||
                           after.odd_keep != before.odd_keep))
    status = ETB_DAMAGED;
  if (status == ETB_OK)
    etb_invalidate(out, size_out);
  else
    etb_reset(a);
  return status;
}

#ifdef ETB_WEIGHTS_BYTES

static uint32_t crc32(const unsigned char *data, size_t size) {
  uint32_t crc = 0xFFFFFFFFu;
  int bit;
  while (size--) {
    crc ^= *data++;
    for (bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0u);
  }
  return ~crc;
}

static int tell_loader(const struct etb_accelerator *a, uint32_t command) {
  etb_write32(a->registers + LOAD, command);
  return wait_for_zero(a->registers + LOAD, LOAD_BUSY);
}

static int read_back(const struct etb_accelerator *a, uint32_t *crc) {
  const int status = tell_loader(a, LOAD_CHECK);
  *crc = etb_read32(a->registers + LOAD_CRC);
  return status;
}

/* The CRC that the file states, and its image of ETB_WEIGHTS_BYTES bytes. */
static int read_file(const void *file, size_t size, uint32_t *crc, const unsigned char **image) {
  static const char head[] = ETB_WEIGHTS_HEAD;
  const unsigned char *next = (const unsigned char *)file, *const end = next + size;
  size_t i;
  for (i = 0; head[i]; ++i)
    if (i == size || next[i] != (unsigned char)head[i]) return ETB_OTHER_FILE;
  next += i;
  for (*crc = 0; next < end && *next >= '0' && *next <= '9'; ++next) *crc = *crc * 10u + (uint32_t)(*next - '0');
  if (end - next < 2 || next[0] != '}' || next[1] != '\n') return ETB_DAMAGED_FILE;
  *image = next + 2;
  if ((size_t)(end - *image) != ETB_WEIGHTS_BYTES) return ETB_DAMAGED_FILE;
  return crc32(*image, ETB_WEIGHTS_BYTES) == *crc ? ETB_OK : ETB_DAMAGED_FILE;
}

int etb_load(const struct etb_accelerator *a, const void *file, size_t size) {
  const unsigned char *image;
  uint32_t crc, found, word;
  size_t i, byte;
  int status = read_file(file, size, &crc, &image);
  if (status == ETB_OK) status = tell_loader(a, LOAD_OPEN);
  if (status != ETB_OK) return status;
  for (i = 0; i < ETB_WEIGHTS_BYTES; i += 4) {
    for (word = 0, byte = 0; byte < 4 && i + byte < ETB_WEIGHTS_BYTES; ++byte)
      word |= (uint32_t)image[i + byte] << (8 * byte);
    etb_write32(a->registers + LOAD_WORD, word);
  }
  status = read_back(a, &found);
  if (status == ETB_OK && found != crc) status = ETB_UNVERIFIED;
  if (status == ETB_OK) status = tell_loader(a, LOAD_CLOSE);
  if (status == ETB_OK) status = etb_reset(a);
  return status;
}

int etb_weights_crc(const struct etb_accelerator *a, uint32_t *crc) {
  const int status = read_back(a, crc);
  return status == ETB_OK ? etb_reset(a) : status;
}

#else

int etb_load(const struct etb_accelerator *a, const void *file, size_t size) {
  (void)a, (void)file, (void)size;
  return ETB_FIXED_WEIGHTS;
}

int etb_weights_crc(const struct etb_accelerator *a, uint32_t *crc) {
  (void)a, (void)crc;
  return ETB_FIXED_WEIGHTS;
}

#endif
