; The installer for Windows, for one user and without an administrator. scripts/pack-windows.sh compiles it, and
; defines VERSION, FILES (the folder to install), REMOVAL (the lines that delete just that) and OUT.
;
; Silently: auralync-VERSION-setup.exe /S [/AUTOSTART=server|client|both|none] [/D=FOLDER]
; Exit codes: 0 done, 1 stopped by the user, 2 a file cannot be written, 3 a newer version is installed,
; 4 a program still runs, so that no file was removed.

Target amd64-unicode
SetCompressor /SOLID lzma
RequestExecutionLevel user
ManifestDPIAware true
!include MUI2.nsh
!include FileFunc.nsh
!include WordFunc.nsh
!include LogicLib.nsh
!include Sections.nsh

!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\AuraLync"
!define RUN "Software\Microsoft\Windows\CurrentVersion\Run"
; The names of the values there: whatever else starts the programs with the session uses the same.
!define RUN_SERVER "AuraLync Server"
!define RUN_CLIENT "AuraLync Client"
!define RULE "AuraLync Server"

!define NEWER_IS_THERE 3
!define STILL_RUNS 4

Name "AuraLync ${VERSION}"
OutFile "${OUT}"
InstallDir "$LOCALAPPDATA\Programs\AuraLync"
InstallDirRegKey HKCU "${UNINSTALL}" "InstallLocation"
BrandingText "AuraLync ${VERSION}"
AllowSkipFiles off

VIProductVersion "${VERSION}.0"
VIAddVersionKey ProductName "AuraLync"
VIAddVersionKey ProductVersion "${VERSION}"
VIAddVersionKey FileDescription "AuraLync installer"
VIAddVersionKey FileVersion "${VERSION}"
VIAddVersionKey CompanyName "The AuraLync authors"
VIAddVersionKey LegalCopyright "MIT licence"

!define MUI_ICON auralync.ico
!define MUI_UNICON auralync.ico
!define MUI_ABORTWARNING
!define MUI_FINISHPAGE_NOAUTOCLOSE
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!define MUI_FINISHPAGE_TEXT "On the PC that plays, start AuraLync Server; on those that listen, AuraLync Client.$\r$\n$\r$\nWhen Windows asks, allow AuraLync on private networks."
!define MUI_FINISHPAGE_SHOWREADME "$INSTDIR\READ ME FIRST.txt"
!define MUI_FINISHPAGE_SHOWREADME_NOTCHECKED
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE English

; A program that runs is not overwritten, but may be renamed: it goes on as it was until it ends. What was put
; aside before is removed where it has ended.
!macro MakeRoom PROGRAM
    Delete "$INSTDIR\${PROGRAM}.old-*"
    ${If} ${FileExists} "$INSTDIR\${PROGRAM}"
        Delete "$INSTDIR\${PROGRAM}"
        ${If} ${FileExists} "$INSTDIR\${PROGRAM}"
            System::Call "kernel32::GetTickCount() i.r9"
            Rename "$INSTDIR\${PROGRAM}" "$INSTDIR\${PROGRAM}.old-$9"
            DetailPrint "${PROGRAM} runs, and is the new one when it is started again."
        ${EndIf}
    ${EndIf}
!macroend

; How long the user's PATH is, in characters, in $2; 0 where there is none. NSIS reads no more than
; NSIS_MAX_STRLEN of one, and would write back what it read.
!macro MeasurePath
    StrCpy $2 0
    System::Call "advapi32::RegOpenKeyExW(p 0x80000001, w 'Environment', i 0, i 0x20019, *p .r1) i.r0"
    ${If} $0 = 0
        System::Call "advapi32::RegQueryValueExW(p r1, w 'Path', p 0, p 0, p 0, *i 0 r2) i.r0"
        System::Call "advapi32::RegCloseKey(p r1)"
        ${If} $0 <> 0
            StrCpy $2 0
        ${EndIf}
        IntOp $2 $2 / 2
    ${EndIf}
!macroend

!macro TellOfPath
    SendMessage ${HWND_BROADCAST} ${WM_SETTINGCHANGE} 0 "STR:Environment" /TIMEOUT=2000
!macroend

; Whether this runs with an administrator's rights, in $0.
!macro AskElevated
    UserInfo::GetAccountType
    Pop $0
!macroend

Section "AuraLync" Programs
    SectionIn RO
    SetOutPath "$INSTDIR"
    !insertmacro MakeRoom auralync-server.exe
    !insertmacro MakeRoom auralync-client.exe
    ClearErrors
    File /r "${FILES}\*"
    WriteUninstaller "$INSTDIR\uninstall.exe"
    ${If} ${Errors}
        SetErrorLevel 2
        Abort "Not everything could be written to $INSTDIR. Is the disk full? Make room, and run this again."
    ${EndIf}
    WriteRegStr HKCU "${UNINSTALL}" DisplayName "AuraLync"
    WriteRegStr HKCU "${UNINSTALL}" DisplayVersion "${VERSION}"
    WriteRegStr HKCU "${UNINSTALL}" DisplayIcon "$INSTDIR\auralync-server.exe"
    WriteRegStr HKCU "${UNINSTALL}" Publisher "The AuraLync authors"
    WriteRegStr HKCU "${UNINSTALL}" InstallLocation "$INSTDIR"
    WriteRegStr HKCU "${UNINSTALL}" UninstallString '"$INSTDIR\uninstall.exe"'
    WriteRegStr HKCU "${UNINSTALL}" QuietUninstallString '"$INSTDIR\uninstall.exe" /S'
    WriteRegDWORD HKCU "${UNINSTALL}" NoModify 1
    WriteRegDWORD HKCU "${UNINSTALL}" NoRepair 1
    SectionGetSize ${Programs} $0
    WriteRegDWORD HKCU "${UNINSTALL}" EstimatedSize $0

    ; Only an administrator may; else Windows asks when the server first starts.
    !insertmacro AskElevated
    ${If} $0 == "Admin"
        nsExec::Exec 'netsh advfirewall firewall delete rule name="${RULE}"'
        Pop $0
        nsExec::Exec 'netsh advfirewall firewall add rule name="${RULE}" dir=in action=allow profile=private program="$INSTDIR\auralync-server.exe"'
        Pop $0
    ${EndIf}
SectionEnd

Section "Start menu" StartMenu
    CreateDirectory "$SMPROGRAMS\AuraLync"
    CreateShortcut "$SMPROGRAMS\AuraLync\AuraLync Server.lnk" "$INSTDIR\auralync-server.exe"
    CreateShortcut "$SMPROGRAMS\AuraLync\AuraLync Client.lnk" "$INSTDIR\auralync-client.exe"
    CreateShortcut "$SMPROGRAMS\AuraLync\Read me first.lnk" "$INSTDIR\READ ME FIRST.txt"
SectionEnd

Section "Commands in every Command Prompt (PATH)" InPath
    !insertmacro MeasurePath
    StrLen $3 "$INSTDIR"
    IntOp $3 $3 + $2
    IntOp $3 $3 + 2
    ${If} $3 >= ${NSIS_MAX_STRLEN}
        DetailPrint "Your PATH is too long for this to change it safely. Add $INSTDIR by hand, if you like."
    ${Else}
        ReadRegStr $4 HKCU Environment Path
        ${WordAdd} "$4" ";" "+$INSTDIR" $5
        ${If} $4 == ""
            StrCpy $5 "$INSTDIR"
        ${EndIf}
        ${If} $5 != $4
            WriteRegExpandStr HKCU Environment Path "$5"
            !insertmacro TellOfPath
        ${EndIf}
    ${EndIf}
SectionEnd

; What "service install" has written starts with flags, which somebody typed: then it stays.
!macro HasFlags VALUE
    ReadRegStr $2 HKCU "${RUN}" "${VALUE}"
    ClearErrors
    ${WordFind} "$2" " service run" "E+1{" $3
!macroend

Section /o "Start the server when I sign in" AutoServer
    !insertmacro HasFlags "${RUN_SERVER}"
    ${If} ${Errors}
        WriteRegStr HKCU "${RUN}" "${RUN_SERVER}" '"$INSTDIR\auralync-server.exe"'
    ${EndIf}
SectionEnd

Section /o "Start the client when I sign in" AutoClient
    !insertmacro HasFlags "${RUN_CLIENT}"
    ${If} ${Errors}
        WriteRegStr HKCU "${RUN}" "${RUN_CLIENT}" '"$INSTDIR\auralync-client.exe"'
    ${EndIf}
SectionEnd

; What was chosen the last time and is no longer.
Section
    ${IfNot} ${SectionIsSelected} ${AutoServer}
        DeleteRegValue HKCU "${RUN}" "${RUN_SERVER}"
    ${EndIf}
    ${IfNot} ${SectionIsSelected} ${AutoClient}
        DeleteRegValue HKCU "${RUN}" "${RUN_CLIENT}"
    ${EndIf}
SectionEnd

LangString AboutPrograms ${LANG_ENGLISH} "Both programs, presets and a guide."
LangString AboutStartMenu ${LANG_ENGLISH} "Entries for both programs."
LangString AboutInPath ${LANG_ENGLISH} "So that auralync-server and auralync-client can be typed anywhere."
LangString AboutAutoServer ${LANG_ENGLISH} "This PC then sends what it plays whenever you are signed in."
LangString AboutAutoClient ${LANG_ENGLISH} "This PC then plays what a server sends whenever you are signed in."
!insertmacro MUI_FUNCTION_DESCRIPTION_BEGIN
    !insertmacro MUI_DESCRIPTION_TEXT ${Programs} $(AboutPrograms)
    !insertmacro MUI_DESCRIPTION_TEXT ${StartMenu} $(AboutStartMenu)
    !insertmacro MUI_DESCRIPTION_TEXT ${InPath} $(AboutInPath)
    !insertmacro MUI_DESCRIPTION_TEXT ${AutoServer} $(AboutAutoServer)
    !insertmacro MUI_DESCRIPTION_TEXT ${AutoClient} $(AboutAutoClient)
!insertmacro MUI_FUNCTION_DESCRIPTION_END

; Where a program was started with the session before, it is again, unless something else is said.
!macro ChooseAutostart WORD SECTION VALUE
    ${If} $1 == ""
        ReadRegStr $2 HKCU "${RUN}" "${VALUE}"
        ${If} $2 != ""
            !insertmacro SelectSection ${SECTION}
        ${EndIf}
    ${ElseIf} $1 == "both"
    ${OrIf} $1 == "${WORD}"
        !insertmacro SelectSection ${SECTION}
    ${EndIf}
!macroend

Function .onInit
    ReadRegStr $0 HKCU "${UNINSTALL}" DisplayVersion
    ${If} $0 != ""
        ${VersionCompare} "$0" "${VERSION}" $1
        ${If} $1 = 1
            MessageBox MB_OK|MB_ICONSTOP "AuraLync $0 is installed, which is newer than the ${VERSION} of this installer. To go back to ${VERSION}, uninstall $0 first, in Settings, Apps." /SD IDOK
            SetErrorLevel ${NEWER_IS_THERE}
            Quit
        ${EndIf}
    ${EndIf}
    ${GetParameters} $0
    ClearErrors
    ${GetOptions} $0 "/AUTOSTART=" $1
    !insertmacro ChooseAutostart server ${AutoServer} "${RUN_SERVER}"
    !insertmacro ChooseAutostart client ${AutoClient} "${RUN_CLIENT}"
FunctionEnd

; Ends what "service install" has left running, which has no window to be closed, and lets it not start again.
!macro EndService PROGRAM
    ${If} ${FileExists} "$INSTDIR\${PROGRAM}"
        nsExec::ExecToStack /TIMEOUT=20000 '"$INSTDIR\${PROGRAM}" service remove'
        Pop $0
        Pop $1
        DetailPrint "$1"
    ${EndIf}
!macroend

; A program that has just ended may still be held for a moment: this often it is looked again, 100 ms later each time.
!define LOOKS 30

; Whether a program runs: nobody may write to it then. Before anything is removed.
!macro WaitForEnd PROGRAM
    StrCpy $1 0
    ${DoWhile} ${FileExists} "$INSTDIR\${PROGRAM}"
        ClearErrors
        FileOpen $0 "$INSTDIR\${PROGRAM}" a
        ${IfNot} ${Errors}
            FileClose $0
            ${ExitDo}
        ${EndIf}
        ${If} $1 < ${LOOKS}
            IntOp $1 $1 + 1
            Sleep 100
            ${Continue}
        ${EndIf}
        MessageBox MB_RETRYCANCEL|MB_ICONEXCLAMATION "${PROGRAM} still runs. Close its window, then choose Retry." /SD IDCANCEL IDRETRY +3
            SetErrorLevel ${STILL_RUNS}
            Abort "${PROGRAM} still runs, so that no file was removed. Close its window, and uninstall again."
    ${Loop}
!macroend

; The same for what somebody started: else nothing is changed at all, not even what starts with the session. What
; "service install" has started is ended here, and nobody is asked for it.
!macro WaitForPerson PROGRAM
    ${If} ${FileExists} "$INSTDIR\${PROGRAM}"
        nsExec::ExecToStack /TIMEOUT=20000 '"$INSTDIR\${PROGRAM}" service status'
        Pop $0
        Pop $2
        ClearErrors
        ${un.WordFind} "$2" "It runs." "E+1{" $3
        ${If} ${Errors}
            !insertmacro WaitForEnd ${PROGRAM}
        ${EndIf}
    ${EndIf}
!macroend

; What updates have put aside.
!macro DeletePutAside PROGRAM
    StrCpy $1 0
    ${Do}
        Delete "$INSTDIR\${PROGRAM}.old-*"
        ${IfNot} ${FileExists} "$INSTDIR\${PROGRAM}.old-*"
        ${OrIf} $1 >= ${LOOKS}
            ${ExitDo}
        ${EndIf}
        IntOp $1 $1 + 1
        Sleep 100
    ${Loop}
!macroend

Section Uninstall
    !insertmacro WaitForPerson auralync-server.exe
    !insertmacro WaitForPerson auralync-client.exe
    !insertmacro EndService auralync-server.exe
    !insertmacro EndService auralync-client.exe
    !insertmacro WaitForEnd auralync-server.exe
    !insertmacro WaitForEnd auralync-client.exe
    DeleteRegValue HKCU "${RUN}" "${RUN_SERVER}"
    DeleteRegValue HKCU "${RUN}" "${RUN_CLIENT}"
    Delete "$SMPROGRAMS\AuraLync\AuraLync Server.lnk"
    Delete "$SMPROGRAMS\AuraLync\AuraLync Client.lnk"
    Delete "$SMPROGRAMS\AuraLync\Read me first.lnk"
    RMDir "$SMPROGRAMS\AuraLync"

    !insertmacro MeasurePath
    ${If} $2 > 0
    ${AndIf} $2 < ${NSIS_MAX_STRLEN}
        ReadRegStr $4 HKCU Environment Path
        ${un.WordAdd} "$4" ";" "-$INSTDIR" $5
        ${If} $4 == "$INSTDIR"
            DeleteRegValue HKCU Environment Path
            !insertmacro TellOfPath
        ${ElseIf} $5 != $4
            WriteRegExpandStr HKCU Environment Path "$5"
            !insertmacro TellOfPath
        ${EndIf}
    ${EndIf}

    !insertmacro AskElevated
    ${If} $0 == "Admin"
        nsExec::Exec 'netsh advfirewall firewall delete rule name="${RULE}"'
        Pop $0
    ${EndIf}

    !include "${REMOVAL}"
    !insertmacro DeletePutAside auralync-server.exe
    !insertmacro DeletePutAside auralync-client.exe
    Delete "$INSTDIR\uninstall.exe"
    RMDir "$INSTDIR"
    DeleteRegKey HKCU "${UNINSTALL}"
SectionEnd
