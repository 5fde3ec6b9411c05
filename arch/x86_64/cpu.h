/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One function per privileged or special x86 instruction, and the names of the control bits.
 * Source: Intel SDM vol. 2 (instructions), vol. 3 sections 2.5 (control registers), 2.2.1 (EFER).
 */
#pragma once

#define CR0_PE	   (1 << 0)
#define CR0_MP	   (1 << 1)
#define CR0_ET	   (1 << 4)
#define CR0_NE	   (1 << 5)
#define CR0_WP	   (1 << 16)
#define CR0_NW	   (1 << 29)
#define CR0_CD	   (1 << 30)
#define CR0_PG	   (1 << 31)
#define CR4_PAE	   (1 << 5)
#define CR4_PGE	   (1 << 7)
#define CR4_OSFXSR (1 << 9)
#define CR4_UMIP   (1 << 11)
#define CR4_SMEP   (1 << 20)
#define CR4_SMAP   (1 << 21)
#define EFER_SCE   (1 << 0)
#define EFER_LME   (1 << 8)
#define EFER_LMA   (1 << 10)
#define EFER_NXE   (1 << 11)

#define MSR_APIC_BASE 0x1b
#define MSR_PAT	      0x277
#define MSR_EFER      0xc0000080
#define MSR_GS_BASE   0xc0000101

#define RFLAGS_IF (1 << 9)

#ifndef __ASSEMBLER__
#include "kernel/compiler.h"

static inline uint64_t x86_read_msr(uint32_t msr)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

static inline void x86_write_msr(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

static inline uint64_t x86_read_cr0(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr0, %0" : "=r"(value));
	return value;
}

static inline void x86_write_cr0(uint64_t value)
{
	__asm__ volatile("mov %0, %%cr0" ::"r"(value) : "memory");
}

static inline uint64_t x86_read_cr2(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr2, %0" : "=r"(value));
	return value;
}

static inline uint64_t x86_read_cr3(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr3, %0" : "=r"(value)::"memory");
	return value;
}

static inline void x86_write_cr3(uint64_t value)
{
	__asm__ volatile("mov %0, %%cr3" ::"r"(value) : "memory");
}

static inline uint64_t x86_read_cr4(void)
{
	uint64_t value;

	__asm__ volatile("mov %%cr4, %0" : "=r"(value));
	return value;
}

static inline void x86_write_cr4(uint64_t value)
{
	__asm__ volatile("mov %0, %%cr4" ::"r"(value) : "memory");
}

static inline void x86_invlpg(uintptr_t addr)
{
	__asm__ volatile("invlpg (%0)" ::"r"(addr) : "memory");
}

static inline void x86_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t regs[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(regs[0]), "=b"(regs[1]), "=c"(regs[2]), "=d"(regs[3])
			 : "a"(leaf), "c"(subleaf));
}

static inline uint64_t x86_rdtsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high)::"memory");
	return (uint64_t)high << 32 | low;
}

static inline void x86_pause(void)
{
	__asm__ volatile("pause" ::: "memory");
}

static inline void x86_cli(void)
{
	__asm__ volatile("cli" ::: "memory");
}

static inline void x86_sti(void)
{
	__asm__ volatile("sti" ::: "memory");
}

/* Enables interrupts and sleeps until the next one, with no gap between the two. */
static inline void x86_sti_hlt(void)
{
	__asm__ volatile("sti; hlt" ::: "memory");
}

/* Sleeps until the next interrupt, if they are enabled, or NMI. */
static inline void x86_hlt(void)
{
	__asm__ volatile("hlt" ::: "memory");
}

/* limit and base of a descriptor table, as lgdt and lidt read them. */
struct x86_table_pointer {
	uint16_t limit;
	uint64_t base;
} __packed;

static inline void x86_lgdt(const struct x86_table_pointer *pointer)
{
	__asm__ volatile("lgdt %0" ::"m"(*pointer) : "memory");
}

static inline void x86_lidt(const struct x86_table_pointer *pointer)
{
	__asm__ volatile("lidt %0" ::"m"(*pointer) : "memory");
}

/* Loads the task register; marks the descriptor busy. */
static inline void x86_ltr(uint16_t selector)
{
	__asm__ volatile("ltr %0" ::"r"(selector) : "memory");
}

static inline uint64_t x86_read_flags(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0" : "=r"(flags)::"memory");
	return flags;
}

static inline void x86_outb(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static inline void x86_outw(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port));
}

static inline uint16_t x86_inw(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

static inline uint8_t x86_inb(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}
#endif
