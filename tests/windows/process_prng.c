/* bcryptprimitives.dll for Wine 8, which lacks it: the one function of it that Rust's programs want.
   For the tests alone; Windows has its own. */

#include <windows.h>

BOOLEAN NTAPI SystemFunction036(PVOID bytes, ULONG count);

__declspec(dllexport) BOOL WINAPI ProcessPrng(BYTE *bytes, SIZE_T count)
{
    const SIZE_T most = 1 << 20;
    while (count > 0) {
        ULONG now = (ULONG)(count < most ? count : most);
        if (!SystemFunction036(bytes, now))
            return FALSE;
        bytes += now;
        count -= now;
    }
    return TRUE;
}
