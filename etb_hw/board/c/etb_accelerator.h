/* Bare-metal driver of an accelerator of etb_hw behind an AXI DMA in simple mode (AMD PG021).
 *
 *   struct etb_accelerator a;
 *   int status = etb_open(&a, XPAR_ETB_ACCELERATOR_0_BASEADDR, XPAR_AXI_DMA_0_BASEADDR);
 *   if (status == ETB_OK) status = etb_infer(&a, in, out, frames);
 *
 * `in` holds frames of ETB_IN_BYTES each, `out` takes frames of ETB_OUT_BYTES each, as etb_design.h and the README
 * of the package describe their bytes. Both are to be aligned to 64 bytes and in memory that the DMA sees.
 */
#ifndef ETB_ACCELERATOR_H
#define ETB_ACCELERATOR_H

#include <stddef.h>
#include <stdint.h>

enum {
  ETB_OK = 0,
  ETB_NO_ACCELERATOR = -1, /* nothing of etb_hw at the address */
  ETB_OTHER_BUILD = -2,    /* another bitfile than etb_design.h is of */
  ETB_TIMEOUT = -3,        /* no answer within ETB_PATIENCE polls */
  ETB_DMA_ERROR = -4,      /* the DMA reports an error */
  ETB_WRONG_LENGTH = -5,   /* the packet that came back has another length */
  ETB_DAMAGED = -6,        /* the accelerator counted the packet as damaged */
  ETB_TOO_MANY = -7,       /* more than 65535 frames, or than the DMA's 64 MiB */
  ETB_BUSY = -8,           /* the accelerator is not idle */
  ETB_FIXED_WEIGHTS = -9,  /* the design was built without --weights writable */
  ETB_OTHER_FILE = -10,    /* no file of weights for this build: make it with etb-hw weights DESIGN --for PACKAGE */
  ETB_DAMAGED_FILE = -11,  /* its length or checksum is wrong */
  ETB_UNVERIFIED = -12,    /* the weights read back are others than were written: load them again */
  ETB_INCOMPLETE = -13     /* half of a network is in the accelerator, which is held in reset: load it again */
};

struct etb_accelerator {
  uintptr_t registers, dma;
};

struct etb_counts {
  uint32_t frames_in, frames_out, input_waited, output_waited, ended_early, no_end, odd_keep, busy;
};

/* Check identity and build, and reset. */
int etb_open(struct etb_accelerator *a, uintptr_t registers, uintptr_t dma);

/* Load a file that etb-hw weights made, as it is, and verify it by a checksum that is read back. A file of another
 * build or a damaged one is refused before anything is written. */
int etb_load(const struct etb_accelerator *a, const void *file, size_t size);

/* The CRC-32 of the weights in the accelerator, read back now. */
int etb_weights_crc(const struct etb_accelerator *a, uint32_t *crc);

/* Run frames, in one packet. After an error the DMA and the accelerator were reset. */
int etb_infer(const struct etb_accelerator *a, const void *in, void *out, uint32_t frames);

int etb_reset(const struct etb_accelerator *a);
struct etb_counts etb_read_counts(const struct etb_accelerator *a);

/* How the driver reaches the hardware: another program, such as a simulation, may bring its own. */
#ifdef ETB_OWN_IO
uint32_t etb_read32(uintptr_t address);
void etb_write32(uintptr_t address, uint32_t value);
void etb_flush(const void *data, size_t size);
void etb_invalidate(void *data, size_t size);
#else
#include "xil_cache.h"
#include "xil_io.h"
static inline uint32_t etb_read32(uintptr_t address) { return Xil_In32(address); }
static inline void etb_write32(uintptr_t address, uint32_t value) { Xil_Out32(address, value); }
static inline void etb_flush(const void *data, size_t size) { Xil_DCacheFlushRange((uintptr_t)data, size); }
static inline void etb_invalidate(void *data, size_t size) { Xil_DCacheInvalidateRange((uintptr_t)data, size); }
#endif

#endif
