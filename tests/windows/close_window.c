/* Closes the window of a program, as far as it notices: a thread of the system's calls its handlers in it, and once
   that has come back, or after five seconds, the program is ended, whatever it was doing. Windows does so; Wine
   calls the handlers and ends nothing.

   usage: close_window.exe PROGRAM.EXE   the one program of that name */

#include <stdio.h>
#include <string.h>
#include <windows.h>
#include <tlhelp32.h>

enum { CLOSED = CTRL_CLOSE_EVENT, PATIENCE_MS = 5000 };

static DWORD find(const char *name)
{
    PROCESSENTRY32 entry = { .dwSize = sizeof entry };
    HANDLE all = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    DWORD found = 0;
    for (BOOL more = Process32First(all, &entry); more; more = Process32Next(all, &entry))
        if (!_stricmp(entry.szExeFile, name))
            found = entry.th32ProcessID;
    CloseHandle(all);
    return found;
}

static int fail(const char *what)
{
    fprintf(stderr, "close_window: %s: error %lu\n", what, GetLastError());
    return 1;
}

int main(int count, char **words)
{
    if (count != 2)
        return fail("usage: close_window.exe PROGRAM.EXE");
    HANDLE program = OpenProcess(PROCESS_ALL_ACCESS, FALSE, find(words[1]));
    if (!program)
        return fail("no such program");
    /* Every process has it at the same place. */
    HMODULE base = GetModuleHandleA("kernelbase.dll");
    LPTHREAD_START_ROUTINE routine = (LPTHREAD_START_ROUTINE)GetProcAddress(base, "CtrlRoutine");
    if (!routine)
        return fail("no CtrlRoutine");
    HANDLE thread = CreateRemoteThread(program, NULL, 0, routine, (void *)CLOSED, 0, NULL);
    if (!thread)
        return fail("cannot tell it");
    HANDLE either[] = { program, thread };
    WaitForMultipleObjects(2, either, FALSE, PATIENCE_MS);
    TerminateProcess(program, 0xC000013A); /* STATUS_CONTROL_C_EXIT */
    return 0;
}
