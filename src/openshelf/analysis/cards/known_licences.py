"""Licence ids that a card may name: those of the Hugging Face Hub, and those of SPDX.

Facts carried over from the list of licences in the documentation of the Hugging Face Hub
(https://huggingface.co/docs/hub/repositories-licenses) and from the SPDX licence list (https://spdx.org/licenses/,
version 3.27), of which the ids met with software, data and models are here.
"""

from __future__ import annotations

HUB_IDS = tuple(
    """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
    openrail++ afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0
    cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0
    cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0
    cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl
    gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr
    mpl-2.0 odc-by odbl openmdw-1.0 openrail-m osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl
    lgpl-lr deepfloyd-if-license fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4
    gemma grok2-community unknown other
    """.split()
)
"""In lower case, as they stand in tags and filters."""

SPDX_IDS = tuple(
    """
    0BSD AAL AFL-1.1 AFL-1.2 AFL-2.0 AFL-2.1 AFL-3.0 AGPL-1.0-only AGPL-1.0-or-later AGPL-3.0-only AGPL-3.0-or-later
    Aladdin Apache-1.0 Apache-1.1 Apache-2.0 APSL-2.0 Arphic-1999 Artistic-1.0 Artistic-1.0-Perl Artistic-2.0
    Beerware BitTorrent-1.1 blessing BlueOak-1.0.0 BSD-1-Clause BSD-2-Clause BSD-2-Clause-Patent BSD-2-Clause-Views
    BSD-3-Clause BSD-3-Clause-Attribution BSD-3-Clause-Clear BSD-3-Clause-LBNL BSD-3-Clause-No-Nuclear-Warranty
    BSD-3-Clause-Open-MPI BSD-4-Clause BSD-4-Clause-UC BSD-Protection BSD-Source-Code BSL-1.0 BUSL-1.1 bzip2-1.0.6
    C-UDA-1.0 CAL-1.0 CAL-1.0-Combined-Work-Exception CATOSL-1.1 CC-BY-1.0 CC-BY-2.0 CC-BY-2.5 CC-BY-2.5-AU CC-BY-3.0
    CC-BY-3.0-AT CC-BY-3.0-AU CC-BY-3.0-DE CC-BY-3.0-IGO CC-BY-3.0-NL CC-BY-3.0-US CC-BY-4.0 CC-BY-NC-1.0
    CC-BY-NC-2.0 CC-BY-NC-2.5 CC-BY-NC-3.0 CC-BY-NC-3.0-DE CC-BY-NC-4.0 CC-BY-NC-ND-1.0 CC-BY-NC-ND-2.0
    CC-BY-NC-ND-2.5 CC-BY-NC-ND-3.0 CC-BY-NC-ND-3.0-DE CC-BY-NC-ND-3.0-IGO CC-BY-NC-ND-4.0 CC-BY-NC-SA-1.0
    CC-BY-NC-SA-2.0 CC-BY-NC-SA-2.0-DE CC-BY-NC-SA-2.0-FR CC-BY-NC-SA-2.0-UK CC-BY-NC-SA-2.5 CC-BY-NC-SA-3.0
    CC-BY-NC-SA-3.0-DE CC-BY-NC-SA-3.0-IGO CC-BY-NC-SA-4.0 CC-BY-ND-1.0 CC-BY-ND-2.0 CC-BY-ND-2.5 CC-BY-ND-3.0
    CC-BY-ND-3.0-DE CC-BY-ND-4.0 CC-BY-SA-1.0 CC-BY-SA-2.0 CC-BY-SA-2.0-UK CC-BY-SA-2.1-JP CC-BY-SA-2.5 CC-BY-SA-3.0
    CC-BY-SA-3.0-AT CC-BY-SA-3.0-DE CC-BY-SA-3.0-IGO CC-BY-SA-4.0 CC-PDDC CC0-1.0 CDDL-1.0 CDDL-1.1 CDL-1.0
    CDLA-Permissive-1.0 CDLA-Permissive-2.0 CDLA-Sharing-1.0 CECILL-1.0 CECILL-1.1 CECILL-2.0 CECILL-2.1 CECILL-B
    CECILL-C CERN-OHL-1.1 CERN-OHL-1.2 CERN-OHL-P-2.0 CERN-OHL-S-2.0 CERN-OHL-W-2.0 ClArtistic CNRI-Python
    COIL-1.0 Community-Spec-1.0 Condor-1.1 CPAL-1.0 CPL-1.0 curl D-FSL-1.0 DL-DE-BY-2.0 DL-DE-ZERO-2.0 DRL-1.0
    DRL-1.1 ECL-1.0 ECL-2.0 EFL-1.0 EFL-2.0 Elastic-2.0 EPICS EPL-1.0 EPL-2.0 etalab-2.0 EUDatagrid EUPL-1.0 EUPL-1.1
    EUPL-1.2 Fair FSFAP FSFUL FSFULLR FTL GD GFDL-1.1-only GFDL-1.1-or-later GFDL-1.2-only GFDL-1.2-or-later
    GFDL-1.3-only GFDL-1.3-or-later GPL-1.0-only GPL-1.0-or-later GPL-2.0-only GPL-2.0-or-later GPL-3.0-only
    GPL-3.0-or-later HPND Hippocratic-2.1 ICU IJG ImageMagick Info-ZIP Intel IPA IPL-1.0 ISC JasPer-2.0 JSON LAL-1.2
    LAL-1.3 Latex2e LGPL-2.0-only LGPL-2.0-or-later LGPL-2.1-only LGPL-2.1-or-later LGPL-3.0-only LGPL-3.0-or-later
    LGPLLR Libpng libpng-2.0 libtiff LiLiQ-P-1.1 LiLiQ-R-1.1 LiLiQ-Rplus-1.1 Linux-OpenIB LPL-1.0 LPL-1.02 LPPL-1.0
    LPPL-1.1 LPPL-1.2 LPPL-1.3a LPPL-1.3c MirOS MIT MIT-0 MIT-CMU MIT-Modern-Variant MITNFA mpich2 MPL-1.0 MPL-1.1
    MPL-2.0 MPL-2.0-no-copyleft-exception MS-LPL MS-PL MS-RL MulanPSL-1.0 MulanPSL-2.0 Multics NAIST-2003 NASA-1.3
    Naumen NCGL-UK-2.0 NCSA NGPL NIST-PD NIST-Software NLOD-1.0 NLOD-2.0 NLPL NOSL NPOSL-3.0 NTP O-UDA-1.0 OCLC-2.0
    ODbL-1.0 ODC-By-1.0 OFL-1.0 OFL-1.1 OFL-1.1-no-RFN OFL-1.1-RFN OGC-1.0 OGL-Canada-2.0 OGL-UK-1.0 OGL-UK-2.0
    OGL-UK-3.0 OGTSL OLDAP-2.8 OpenSSL OPL-1.0 OPUBL-1.0 OSET-PL-2.1 OSL-1.0 OSL-2.0 OSL-2.1 OSL-3.0 Parity-6.0.0
    Parity-7.0.0 PDDL-1.0 PHP-3.0 PHP-3.01 PolyForm-Noncommercial-1.0.0 PolyForm-Small-Business-1.0.0 PostgreSQL
    PSF-2.0 Python-2.0 Python-2.0.1 QPL-1.0 Ruby SAX-PD Sendmail SGI-B-2.0 SHL-0.5 SHL-0.51 SimPL-2.0 Sleepycat SPL-1.0
    SSPL-1.0 SunPro TAPR-OHL-1.0 TCL TORQUE-1.1 UCL-1.0 Unicode-3.0 Unicode-DFS-2015 Unicode-DFS-2016 Unlicense
    UPL-1.0 Vim VSL-1.0 W3C W3C-20150513 Watcom-1.0 WTFPL X11 Xnet XFree86-1.1 Zend-2.0 Zlib zlib-acknowledgement
    ZPL-2.0 ZPL-2.1 AGPL-3.0 GFDL-1.3 GPL-1.0 GPL-2.0 GPL-2.0+ GPL-3.0 GPL-3.0+ LGPL-2.0 LGPL-2.1 LGPL-2.1+ LGPL-3.0
    LGPL-3.0+
    """.split()
)

SPDX_EXCEPTIONS = tuple(
    """
    Autoconf-exception-3.0 Bison-exception-2.2 Classpath-exception-2.0 GCC-exception-3.1 LLVM-exception
    Linux-syscall-note OpenSSL-exception Universal-FOSS-exception-1.0
    """.split()
)

_CANONICAL = {name.lower(): name for name in SPDX_IDS} | {name: name for name in HUB_IDS}
_EXCEPTIONS = frozenset(name.lower() for name in SPDX_EXCEPTIONS)
_MAX_EXPRESSION = 500


def canonical(name: str) -> str | None:
    """The id meant by ``name``, whatever its case: the hub's id where there is one, else SPDX's; None if unknown."""
    return _CANONICAL.get(name.strip().lower())


def is_known(name: str) -> bool:
    """Whether ``name`` is a known id, or an SPDX expression (``A OR B``, ``A AND B``, ``A WITH E``) of known ids."""
    if canonical(name) is not None:
        return True
    words = name[:_MAX_EXPRESSION].replace("(", " ").replace(")", " ").split()
    if len(words) < 3 or len(words) % 2 == 0 or len(name) > _MAX_EXPRESSION:
        return False
    pairs = zip(words[1::2], words[2::2], strict=True)
    return canonical(words[0]) is not None and all(_operand_known(*pair) for pair in pairs)


def _operand_known(operator: str, word: str) -> bool:
    if operator == "WITH":
        return word.lower() in _EXCEPTIONS
    return operator in ("AND", "OR") and canonical(word) is not None
