/* SPDX-License-Identifier: GPL-2.0-only */
/* Judges exercise 4: a fresh area is zero on every CPU. */
#include "tests/kernel/percpu_util.h"

TEST(lab4_an_area_handed_out_again_is_zero_on_every_cpu, TEST_QUICK)
{
	static const size_t sizes[] = {1, 16, 100, 4096, 9000};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		void __percpu *ptr = __alloc_percpu(sizes[i], 8);

		REQUIRE(ptr);
		test_fill(ptr, sizes[i], 42);
		test_free_now(ptr);
		ptr = __alloc_percpu(sizes[i], 8);
		REQUIRE(ptr);
		EXPECT_EQ(test_nonzero_bytes(ptr, sizes[i]), 0);
		free_percpu(ptr);
	}
}
