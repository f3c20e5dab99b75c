"""Field names of the broker's messages, as data, in wire order.

Separate from the parsers and from the simulator so that both sides speak from one table and a field the
broker appends is a one-line change. The protocol notes number fields from 1; the tuples are ordinary
Python sequences, so field n of the notes is `FIELDS[n - 1]`. Lists only ever grew at the end so far:
index by position, ignore a surplus, never require the exact width.
"""

from __future__ import annotations

from typing import Final

TR_TRADE: Final = "H0STCNT0"
"""WebSocket: executions, KRX."""
TR_BOOK: Final = "H0STASP0"
"""WebSocket: ten-level order book, KRX."""
TR_MARKET_OPERATION: Final = "H0STMKO0"
"""WebSocket: halts, VI and session phases per symbol, KRX."""
TR_TRADE_NXT: Final = "H0NXCNT0"
"""WebSocket: executions, Nextrade; same layout as `TRADE_FIELDS`."""
TR_TRADE_UNIFIED: Final = "H0UNCNT0"
"""WebSocket: executions, both venues; same layout as `TRADE_FIELDS`."""
TR_PINGPONG: Final = "PINGPONG"
"""WebSocket: keep-alive text message of the server."""
TR_INQUIRE_PRICE: Final = "FHKST01010100"
"""REST: inquire-price, one symbol, `INQUIRE_PRICE_KEYS`."""
TR_MULTI_PRICE: Final = "FHKST11300006"
"""REST: intstock-multprice, up to `MULTI_PRICE_SLOTS` symbols, `MULTI_PRICE_KEYS`."""
TR_INQUIRE_CCNL: Final = "FHKST01010300"
"""REST: inquire-ccnl, the 30 newest executions of one symbol, `INQUIRE_CCNL_KEYS`."""
TR_MINUTE_CHART: Final = "FHKST03010200"
"""REST: inquire-time-itemchartprice, one-minute bars of today."""
TR_CHK_HOLIDAY: Final = "CTCA0903R"
"""REST: chk-holiday, trading days from a date on, `CHK_HOLIDAY_KEYS`."""

MULTI_PRICE_SLOTS: Final = 30
"""Symbols one intstock-multprice call can carry."""
MAX_REGISTRATIONS: Final = 41
"""WebSocket registrations per session, summed over all TRs."""

TRADE_WIDTH_BEFORE_2026_09_14: Final = 46
"""Width of a trade record before MARKET_CLS_CODE was appended."""
BOOK_WIDTH_BEFORE_2026_09_14: Final = 62
"""Width of a book record before MARKET_CLS_CODE was appended."""

TRADE_FIELDS: Final[tuple[str, ...]] = (
    "MKSC_SHRN_ISCD",
    "STCK_CNTG_HOUR",
    "STCK_PRPR",
    "PRDY_VRSS_SIGN",
    "PRDY_VRSS",
    "PRDY_CTRT",
    "WGHN_AVRG_STCK_PRC",
    "STCK_OPRC",
    "STCK_HGPR",
    "STCK_LWPR",
    "ASKP1",
    "BIDP1",
    "CNTG_VOL",
    "ACML_VOL",
    "ACML_TR_PBMN",
    "SELN_CNTG_CSNU",
    "SHNU_CNTG_CSNU",
    "NTBY_CNTG_CSNU",
    "CTTR",
    "SELN_CNTG_SMTN",
    "SHNU_CNTG_SMTN",
    "CCLD_DVSN",
    "SHNU_RATE",
    "PRDY_VOL_VRSS_ACML_VOL_RATE",
    "OPRC_HOUR",
    "OPRC_VRSS_PRPR_SIGN",
    "OPRC_VRSS_PRPR",
    "HGPR_HOUR",
    "HGPR_VRSS_PRPR_SIGN",
    "HGPR_VRSS_PRPR",
    "LWPR_HOUR",
    "LWPR_VRSS_PRPR_SIGN",
    "LWPR_VRSS_PRPR",
    "BSOP_DATE",
    "NEW_MKOP_CLS_CODE",
    "TRHT_YN",
    "ASKP_RSQN1",
    "BIDP_RSQN1",
    "TOTAL_ASKP_RSQN",
    "TOTAL_BIDP_RSQN",
    "VOL_TNRT",
    "PRDY_SMNS_HOUR_ACML_VOL",
    "PRDY_SMNS_HOUR_ACML_VOL_RATE",
    "HOUR_CLS_CODE",
    "MRKT_TRTM_CLS_CODE",
    "VI_STND_PRC",
    "MARKET_CLS_CODE",
)
"""H0STCNT0, 47 fields (notes §5.4); the last arrived on 2026-09-14."""

BOOK_FIELDS: Final[tuple[str, ...]] = (
    "MKSC_SHRN_ISCD",
    "BSOP_HOUR",
    "HOUR_CLS_CODE",
    "ASKP1",
    "ASKP2",
    "ASKP3",
    "ASKP4",
    "ASKP5",
    "ASKP6",
    "ASKP7",
    "ASKP8",
    "ASKP9",
    "ASKP10",
    "BIDP1",
    "BIDP2",
    "BIDP3",
    "BIDP4",
    "BIDP5",
    "BIDP6",
    "BIDP7",
    "BIDP8",
    "BIDP9",
    "BIDP10",
    "ASKP_RSQN1",
    "ASKP_RSQN2",
    "ASKP_RSQN3",
    "ASKP_RSQN4",
    "ASKP_RSQN5",
    "ASKP_RSQN6",
    "ASKP_RSQN7",
    "ASKP_RSQN8",
    "ASKP_RSQN9",
    "ASKP_RSQN10",
    "BIDP_RSQN1",
    "BIDP_RSQN2",
    "BIDP_RSQN3",
    "BIDP_RSQN4",
    "BIDP_RSQN5",
    "BIDP_RSQN6",
    "BIDP_RSQN7",
    "BIDP_RSQN8",
    "BIDP_RSQN9",
    "BIDP_RSQN10",
    "TOTAL_ASKP_RSQN",
    "TOTAL_BIDP_RSQN",
    "OVTM_TOTAL_ASKP_RSQN",
    "OVTM_TOTAL_BIDP_RSQN",
    "ANTC_CNPR",
    "ANTC_CNQN",
    "ANTC_VOL",
    "ANTC_CNTG_VRSS",
    "ANTC_CNTG_VRSS_SIGN",
    "ANTC_CNTG_PRDY_CTRT",
    "ACML_VOL",
    "TOTAL_ASKP_RSQN_ICDC",
    "TOTAL_BIDP_RSQN_ICDC",
    "OVTM_TOTAL_ASKP_ICDC",
    "OVTM_TOTAL_BIDP_ICDC",
    "STCK_DEAL_CLS_CODE",
    "MID_PRC",
    "MIDP_TOTAL_RSQN",
    "MIDP_CLS_CODE",
    "MARKET_CLS_CODE",
)
"""H0STASP0, 63 fields (notes §5.5); 59 and 62 wide in earlier months."""

MARKET_OPERATION_FIELDS: Final[tuple[str, ...]] = (
    "MKSC_SHRN_ISCD",
    "TRHT_YN",
    "TR_SUSP_REAS_CNTT",
    "MKOP_CLS_CODE",
    "ANTC_MKOP_CLS_CODE",
    "MRKT_TRTM_CLS_CODE",
    "DIVI_APP_CLS_CODE",
    "ISCD_STAT_CLS_CODE",
    "VI_CLS_CODE",
    "OVTM_VI_CLS_CODE",
    "EXCH_CLS_CODE",
)
"""H0STMKO0, 11 fields (notes §5.6); 10 were seen too."""

MULTI_PRICE_KEYS: Final[tuple[str, ...]] = (
    "kospi_kosdaq_cls_name",
    "mrkt_trtm_cls_name",
    "hour_cls_code",
    "inter_shrn_iscd",
    "inter_kor_isnm",
    "inter2_prpr",
    "inter2_prdy_vrss",
    "prdy_vrss_sign",
    "prdy_ctrt",
    "acml_vol",
    "inter2_oprc",
    "inter2_hgpr",
    "inter2_lwpr",
    "inter2_llam",
    "inter2_mxpr",
    "inter2_askp",
    "inter2_bidp",
    "seln_rsqn",
    "shnu_rsqn",
    "total_askp_rsqn",
    "total_bidp_rsqn",
    "acml_tr_pbmn",
    "inter2_prdy_clpr",
    "oprc_vrss_hgpr_rate",
    "intr_antc_cntg_vrss",
    "intr_antc_cntg_vrss_sign",
    "intr_antc_cntg_prdy_ctrt",
    "intr_antc_vol",
    "inter2_sdpr",
)
"""intstock-multprice, 29 keys of one row of `output` (notes §3.2)."""

INQUIRE_PRICE_KEYS: Final[tuple[str, ...]] = (
    "iscd_stat_cls_code",
    "marg_rate",
    "rprs_mrkt_kor_name",
    "new_hgpr_lwpr_cls_code",
    "bstp_kor_isnm",
    "temp_stop_yn",
    "oprc_rang_cont_yn",
    "clpr_rang_cont_yn",
    "crdt_able_yn",
    "grmn_rate_cls_code",
    "elw_pblc_yn",
    "stck_prpr",
    "prdy_vrss",
    "prdy_vrss_sign",
    "prdy_ctrt",
    "acml_tr_pbmn",
    "acml_vol",
    "prdy_vrss_vol_rate",
    "stck_oprc",
    "stck_hgpr",
    "stck_lwpr",
    "stck_mxpr",
    "stck_llam",
    "stck_sdpr",
    "wghn_avrg_stck_prc",
    "hts_frgn_ehrt",
    "frgn_ntby_qty",
    "pgtr_ntby_qty",
    "pvt_scnd_dmrs_prc",
    "pvt_frst_dmrs_prc",
    "pvt_pont_val",
    "pvt_frst_dmsp_prc",
    "pvt_scnd_dmsp_prc",
    "dmrs_val",
    "dmsp_val",
    "cpfn",
    "rstc_wdth_prc",
    "stck_fcam",
    "stck_sspr",
    "aspr_unit",
    "hts_deal_qty_unit_val",
    "lstn_stcn",
    "hts_avls",
    "per",
    "pbr",
    "stac_month",
    "vol_tnrt",
    "eps",
    "bps",
    "d250_hgpr",
    "d250_hgpr_date",
    "d250_hgpr_vrss_prpr_rate",
    "d250_lwpr",
    "d250_lwpr_date",
    "d250_lwpr_vrss_prpr_rate",
    "stck_dryy_hgpr",
    "dryy_hgpr_vrss_prpr_rate",
    "dryy_hgpr_date",
    "stck_dryy_lwpr",
    "dryy_lwpr_vrss_prpr_rate",
    "dryy_lwpr_date",
    "w52_hgpr",
    "w52_hgpr_vrss_prpr_ctrt",
    "w52_hgpr_date",
    "w52_lwpr",
    "w52_lwpr_vrss_prpr_ctrt",
    "w52_lwpr_date",
    "whol_loan_rmnd_rate",
    "ssts_yn",
    "stck_shrn_iscd",
    "fcam_cnnm",
    "cpfn_cnnm",
    "apprch_rate",
    "frgn_hldn_qty",
    "vi_cls_code",
    "ovtm_vi_cls_code",
    "last_ssts_cntg_qty",
    "invt_caful_yn",
    "mrkt_warn_cls_code",
    "short_over_yn",
    "sltr_yn",
    "mang_issu_cls_code",
)
"""inquire-price, 82 keys of `output` (notes §3.1); every one may be absent."""

INQUIRE_CCNL_KEYS: Final[tuple[str, ...]] = (
    "stck_cntg_hour",
    "stck_prpr",
    "prdy_vrss",
    "prdy_vrss_sign",
    "cntg_vol",
    "tday_rltv",
    "prdy_ctrt",
)
"""inquire-ccnl, keys of one row of `output` (notes §3)."""

CHK_HOLIDAY_KEYS: Final[tuple[str, ...]] = (
    "bass_dt",
    "wday_dvsn_cd",
    "bzdy_yn",
    "tr_day_yn",
    "opnd_yn",
    "sttl_day_yn",
)
"""chk-holiday, keys of one row of `output` (notes §3)."""
