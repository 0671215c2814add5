"""Scripts for Vivado: pack the IP, build the block design around it, and timing. Generated; not run here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from etb_hw.board.boards import ZynqBoard
from etb_hw.board.zynq.gateware import ACCELERATOR, Bus

DESIGN = "etb"  # the block design, and the bitfile
VENDOR, LIBRARY, VERSION = "etb_hw", "user", "1.0"
CLOCK_XDC = f"{ACCELERATOR}_ooc.xdc"


@dataclass(frozen=True)
class Processor:
    """How a processor is set up in a block design.

    Attributes:
        rule: its board automation. settings: its properties, ``{mhz}`` standing for the clock.
        control, memory: its ports to registers and from the DMA; clocks: those of the ports.
        clock, reset: what it gives the logic.
        address: bits of an address in its memory.
    """

    ip: str
    automation: str
    settings: Mapping[str, str]
    control: str
    memory: str
    clocks: tuple[str, ...]
    clock: str
    reset: str
    address: int


PROCESSORS: Mapping[str, Processor] = {
    "zynq7": Processor(
        "processing_system7",
        'make_external "FIXED_IO, DDR" apply_board_preset "{preset}" Master "Disable" Slave "Disable"',
        {
            "PCW_USE_M_AXI_GP0": "1", "PCW_USE_S_AXI_HP0": "1", "PCW_S_AXI_HP0_DATA_WIDTH": "64",
            "PCW_EN_CLK0_PORT": "1", "PCW_EN_RST0_PORT": "1", "PCW_FPGA0_PERIPHERAL_FREQMHZ": "{mhz}",
        },
        "M_AXI_GP0", "S_AXI_HP0", ("M_AXI_GP0_ACLK", "S_AXI_HP0_ACLK"), "FCLK_CLK0", "FCLK_RESET0_N",
        32,
    ),
    "zynqmp": Processor(
        "zynq_ultra_ps_e",
        'apply_board_preset "{preset}"',
        {
            "PSU__USE__M_AXI_GP0": "1", "PSU__USE__M_AXI_GP1": "0", "PSU__USE__M_AXI_GP2": "0",
            "PSU__USE__S_AXI_GP2": "1", "PSU__FPGA_PL0_ENABLE": "1",
            "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ": "{mhz}",
        },
        "M_AXI_HPM0_FPD", "S_AXI_HP0_FPD", ("maxihpm0_fpd_aclk", "saxihp0_fpd_aclk"), "pl_clk0",
        "pl_resetn0", 40,
    ),
}  # fmt: skip


def clock_xdc(mhz: float) -> str:
    """Timing of the IP by itself; within the block design the processor's clock has its own constraint."""
    return f"create_clock -name aclk -period {1000 / mhz:.3f} [get_ports aclk]\n"


def package_tcl(board: ZynqBoard) -> str:
    """Packs the sources of ``ip/hdl`` as an IP. Vivado finds its interfaces by the top's attributes."""
    return f"""# Pack the accelerator as an IP: vivado -mode batch -source package_ip.tcl
set here [file dirname [file normalize [info script]]]
set home [file join $here packed_ip]
file delete -force $home [file join $here pack_project]
file mkdir $home
file copy [file join $here .. ip hdl] [file join $home hdl]
file copy [file join $here .. ip constraints] [file join $home constraints]
create_project -force pack [file join $here pack_project] -part {board.part}
add_files -norecurse [glob [file join $home hdl *]]
set memories [glob -nocomplain [file join $home hdl *.mem]]
if {{[llength $memories]}} {{ set_property file_type {{Memory File}} [get_files $memories] }}
add_files -fileset constrs_1 -norecurse [file join $home constraints {CLOCK_XDC}]
set_property USED_IN {{synthesis implementation out_of_context}} [get_files {CLOCK_XDC}]
set_property top {ACCELERATOR} [current_fileset]
update_compile_order -fileset sources_1
ipx::package_project -root_dir $home -vendor {VENDOR} -library {LIBRARY} -taxonomy /UserIP
set core [ipx::current_core]
set_property name {ACCELERATOR} $core
set_property version {VERSION} $core
set_property display_name {{Binary neural network accelerator (etb_hw)}} $core
ipx::create_xgui_files $core
ipx::update_checksums $core
ipx::save_core $core
close_project
"""


def build_tcl(board: ZynqBoard, mhz: float, taken: Bus) -> str:
    """Block design, bitstream and hardware description. ``taken``: how the input's beats travel."""
    cpu = PROCESSORS[board.processor]
    settings = " ".join(
        f"CONFIG.{name} {{{value.format(mhz=f'{mhz:g}')}}}" for name, value in cpu.settings.items()
    )
    clocks = " ".join(f"[get_bd_pins ps/{name}]" for name in cpu.clocks)
    connections = (
        f"  set_property board_connections {{{board.board_connections}}} [current_project]\n"
        if board.board_connections
        else ""
    )
    return f"""# {board.title}: the accelerator behind an AXI DMA, at {mhz:g} MHz.
#   vivado -mode batch -source build.tcl
# leaves {DESIGN}.bit, {DESIGN}.hwh and {DESIGN}.xsa here.
set here [file dirname [file normalize [info script]]]
source [file join $here package_ip.tcl]
create_project -force {DESIGN} [file join $here project] -part {board.part}
set preset 0
if {{[llength [get_board_parts -quiet {{{board.board_part}}}]]}} {{
  set_property board_part {{{board.board_part}}} [current_project]
{connections}  set preset 1
}} else {{
  puts "the board file {board.board_part} is not installed: the processor keeps its default settings,"
  puts "which is enough under PYNQ, whose boot sets the processor up, but not for a bare-metal program"
}}
set_property ip_repo_paths [list [file join $here packed_ip]] [current_project]
update_ip_catalog

create_bd_design {DESIGN}
create_bd_cell -type ip -vlnv xilinx.com:ip:{cpu.ip} ps
apply_bd_automation -rule xilinx.com:bd_rule:{cpu.ip} \\
  -config [string map [list "{{preset}}" $preset] {{{cpu.automation}}}] [get_bd_cells ps]
set_property -dict {{{settings}}} [get_bd_cells ps]
create_bd_cell -type ip -vlnv xilinx.com:ip:proc_sys_reset reset
create_bd_cell -type ip -vlnv {VENDOR}:{LIBRARY}:{ACCELERATOR}:{VERSION} {ACCELERATOR}_0
create_bd_cell -type ip -vlnv xilinx.com:ip:axi_dma axi_dma_0
# the other way the stream's width comes with its connection
set_property -dict {{CONFIG.c_include_sg {{0}} CONFIG.c_sg_include_stscntrl_strm {{0}} \\
  CONFIG.c_sg_length_width {{26}} CONFIG.c_addr_width {{{cpu.address}}} \\
  CONFIG.c_include_mm2s {{1}} CONFIG.c_include_s2mm {{1}} \\
  CONFIG.c_m_axi_mm2s_data_width {{64}} CONFIG.c_m_axis_mm2s_tdata_width {{{8 * taken.size}}} \\
  CONFIG.c_m_axi_s2mm_data_width {{64}}}} [get_bd_cells axi_dma_0]
create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect control
set_property -dict {{CONFIG.NUM_SI {{1}} CONFIG.NUM_MI {{2}}}} [get_bd_cells control]
create_bd_cell -type ip -vlnv xilinx.com:ip:smartconnect memory
set_property -dict {{CONFIG.NUM_SI {{2}} CONFIG.NUM_MI {{1}}}} [get_bd_cells memory]

connect_bd_intf_net [get_bd_intf_pins ps/{cpu.control}] [get_bd_intf_pins control/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins control/M00_AXI] [get_bd_intf_pins {ACCELERATOR}_0/s_axi]
connect_bd_intf_net [get_bd_intf_pins control/M01_AXI] [get_bd_intf_pins axi_dma_0/S_AXI_LITE]
connect_bd_intf_net [get_bd_intf_pins axi_dma_0/M_AXI_MM2S] [get_bd_intf_pins memory/S00_AXI]
connect_bd_intf_net [get_bd_intf_pins axi_dma_0/M_AXI_S2MM] [get_bd_intf_pins memory/S01_AXI]
connect_bd_intf_net [get_bd_intf_pins memory/M00_AXI] [get_bd_intf_pins ps/{cpu.memory}]
connect_bd_intf_net [get_bd_intf_pins axi_dma_0/M_AXIS_MM2S] [get_bd_intf_pins {ACCELERATOR}_0/s_axis]
connect_bd_intf_net [get_bd_intf_pins {ACCELERATOR}_0/m_axis] [get_bd_intf_pins axi_dma_0/S_AXIS_S2MM]
connect_bd_net [get_bd_pins ps/{cpu.clock}] {clocks} [get_bd_pins reset/slowest_sync_clk] \\
  [get_bd_pins control/aclk] [get_bd_pins memory/aclk] [get_bd_pins {ACCELERATOR}_0/aclk] \\
  [get_bd_pins axi_dma_0/s_axi_lite_aclk] [get_bd_pins axi_dma_0/m_axi_mm2s_aclk] \\
  [get_bd_pins axi_dma_0/m_axi_s2mm_aclk]
connect_bd_net [get_bd_pins ps/{cpu.reset}] [get_bd_pins reset/ext_reset_in]
connect_bd_net [get_bd_pins reset/peripheral_aresetn] \\
  [get_bd_pins control/aresetn] [get_bd_pins memory/aresetn] \\
  [get_bd_pins {ACCELERATOR}_0/aresetn] [get_bd_pins axi_dma_0/axi_resetn]
assign_bd_address
validate_bd_design
save_bd_design

set design [get_files {DESIGN}.bd]
generate_target all $design
set wrapper [make_wrapper -files $design -top]
add_files -norecurse $wrapper
set_property top {DESIGN}_wrapper [current_fileset]
update_compile_order -fileset sources_1
launch_runs impl_1 -to_step write_bitstream -jobs 4
wait_on_run impl_1
if {{[get_property PROGRESS [get_runs impl_1]] ne "100%"}} {{ error "implementation failed: see project/" }}
open_run impl_1
foreach {{kind paths}} {{setup max hold min}} {{
  set slack [get_property SLACK [get_timing_paths -delay_type $paths -max_paths 1]]
  puts "worst $kind slack: $slack ns"
  if {{$slack < 0}} {{
    error "timing ($kind) is not met at {mhz:g} MHz: package the design with a lower --clock-mhz"
  }}
}}
report_utilization -hierarchical -file [file join $here utilization.txt]
file copy -force [glob [file join $here project *.runs impl_1 {DESIGN}_wrapper.bit]] \\
  [file join $here {DESIGN}.bit]
# before Vivado 2020.2 it lay in .srcs
set handoff [glob [file join $here project *.{{gen,srcs}} sources_1 bd {DESIGN} hw_handoff {DESIGN}.hwh]]
file copy -force [lindex $handoff 0] [file join $here {DESIGN}.hwh]
write_hw_platform -fixed -include_bit -force [file join $here {DESIGN}.xsa]
"""
